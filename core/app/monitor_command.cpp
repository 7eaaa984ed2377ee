#include "core/app/monitor_command.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "net/auth/password.h"

namespace ringpost::app {
namespace {

using config::HttpRight;

constexpr std::int64_t kTokenSeconds = 3600;

struct CommandRow {
  std::string_view name;
  HttpRight right;
};

// What shows addresses of recipients or settings is not for those who only watch figures.
constexpr CommandRow kHttpCommands[] = {
    {"status", HttpRight::monitor},        {"queues", HttpRight::monitor},
    {"domains", HttpRight::monitor},       {"vmtas", HttpRight::monitor},
    {"hosts", HttpRight::monitor},         {"jobs", HttpRight::monitor},
    {"sources", HttpRight::monitor},       {"decisions", HttpRight::monitor},
    {"warmup", HttpRight::monitor},        {"bounces", HttpRight::monitor},
    {"cold", HttpRight::monitor},          {"sessions", HttpRight::operate},
    {"settings", HttpRight::operate},      {"list", HttpRight::operate},
    {"trace", HttpRight::operate},         {"pause", HttpRight::operate},
    {"resume", HttpRight::operate},        {"schedule", HttpRight::operate},
    {"mode", HttpRight::operate},          {"disable-source", HttpRight::operate},
    {"enable-source", HttpRight::operate}, {"acct-flush", HttpRight::operate},
    {"delete", HttpRight::admin},          {"move", HttpRight::admin},
    {"priority", HttpRight::admin},        {"undo", HttpRight::admin},
    {"reload", HttpRight::admin},
};

bool same_secret(std::string_view a, std::string_view b) {
  unsigned differs = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char other = i < b.size() ? b[i] : '\0';
    differs |= static_cast<unsigned char>(a[i] ^ other);
  }
  return differs == 0;
}

bool is_api_key(const config::GlobalSettings& global, std::string_view key) {
  bool known = false;
  for (const config::Secret& secret : global.http_api_keys) {
    known = (!secret.empty() && same_secret(secret.reveal(), key)) || known;
  }
  return known;
}

std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    return host.substr(1, end == host.npos ? 0 : end - 1);
  }
  return host.substr(0, std::min(host.find(':'), host.size()));
}

// Any other name may be that of somebody whose name server says it is this host: to the browser his
// page then has this port's origin.
bool is_own_name(const config::GlobalSettings& global, std::string_view host) {
  const std::string_view name = without_port(host);
  return equals_ignoring_case(name, "localhost") || IpAddress::parse(name).ok() ||
         std::any_of(global.host_names.begin(), global.host_names.end(),
                     [&](const auto& own) { return equals_ignoring_case(name, own); });
}

bool comes_from_here(const HttpQuestion& question) {
  if (!question.fetch_site.empty() && question.fetch_site != "same-origin" &&
      question.fetch_site != "none") {
    return false;
  }
  std::string_view origin = question.origin;
  if (origin.empty()) {
    return true;
  }
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.starts_with(scheme)) {
      origin.remove_prefix(scheme.size());
      return equals_ignoring_case(origin, question.host);
    }
  }
  return false;
}

}  // namespace

bool is_of_this_host(const IpAddress& client) {
  static const IpNetwork kFour{IpAddress::v4(127, 0, 0, 0), 8};
  return kFour.contains(client) || client == *IpAddress::parse("::1");
}

HttpRight right_of(const config::GlobalSettings& global, const IpAddress& client,
                   std::string_view key) {
  if (is_api_key(global, key)) {
    return HttpRight::admin;
  }
  const config::HttpAccess* narrowest = nullptr;
  for (const config::HttpAccess& access : global.http_access) {
    if (access.network.contains(client) &&
        (narrowest == nullptr || access.network.prefix_bits >= narrowest->network.prefix_bits)) {
      narrowest = &access;
    }
  }
  return narrowest != nullptr      ? narrowest->right
         : is_of_this_host(client) ? HttpRight::monitor
                                   : HttpRight::none;
}

std::string command_of(std::string_view request) {
  const auto parsed = nlohmann::json::parse(request, nullptr, false);
  if (!parsed.is_object() || !parsed.contains("command") || !parsed["command"].is_string()) {
    return {};
  }
  return parsed["command"].get<std::string>();
}

bool right_for(std::string_view command, HttpRight& out) {
  for (const CommandRow& row : kHttpCommands) {
    if (row.name == command) {
      out = row.right;
      return true;
    }
  }
  return false;
}

CommandGate::CommandGate() { RP_ASSERT(auth::random_octets(key_.data(), key_.size())); }

std::string CommandGate::token(const IpAddress& client, WallTime now) const {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  const std::string hour = std::to_string(now.unix_seconds() / kTokenSeconds);
  std::string text;
  for (const char octet : auth::keyed_digest({key_.data(), key_.size()}, {client.text(), hour})) {
    const auto value = static_cast<unsigned char>(octet);
    text.push_back(kDigits[value >> 4]);
    text.push_back(kDigits[value & 15]);
  }
  return text;
}

bool CommandGate::knows(const HttpQuestion& question, WallTime now) const {
  const WallTime before = now - Duration::seconds(kTokenSeconds);
  const bool fresh = same_secret(token(question.client, now), question.token);
  return same_secret(token(question.client, before), question.token) || fresh;
}

std::string_view CommandGate::refusal(const config::GlobalSettings& global,
                                      const HttpQuestion& question, WallTime now,
                                      bool asks_token) const {
  // A page cannot write this field for another origin.
  if (!global.http_csrf_protection || is_api_key(global, question.key)) {
    return {};
  }
  if (!is_own_name(global, question.host)) {
    return "the Host field names neither an address nor a host-name of ours\n";
  }
  if (!comes_from_here(question)) {
    return "a page of another origin asks\n";
  }
  return asks_token || knows(question, now)
             ? std::string_view{}
             : "an API key (X-API-Key) or the token of /token (X-CSRF-Token) is missing\n";
}

}  // namespace ringpost::app
