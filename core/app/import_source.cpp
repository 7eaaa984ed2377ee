#include "core/app/import_source.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/mail/message_id.h"

namespace ringpost::app {
namespace {

using Json = nlohmann::json;
using spool::ImportMessage;
using spool::ImportRecipient;

/// Fields of a JSON object with their expected types; remembers the first that does not fit.
class Fields {
 public:
  Fields(const Json& object, std::string& fault) : object_(object), fault_(fault) {}

  /// Absent where `needed` is false: an archive of an older version.
  std::string text(const char* name, bool needed = false) {
    const Json* value = find(name, needed);
    if (value == nullptr) {
      return {};
    }
    return value->is_string() ? value->get<std::string>() : wrong(name, "a text");
  }
  std::uint64_t number(const char* name, std::uint64_t most = ~std::uint64_t{0},
                       bool needed = false) {
    const Json* value = find(name, needed);
    if (value == nullptr) {
      return 0;
    }
    if (!value->is_number_unsigned() || value->get<std::uint64_t>() > most) {
      wrong(name, "a number up to " + std::to_string(most));
      return 0;
    }
    return value->get<std::uint64_t>();
  }
  bool flag(const char* name) {
    const Json* value = find(name, false);
    if (value != nullptr && !value->is_boolean()) {
      wrong(name, "true or false");
    }
    return value != nullptr && value->is_boolean() && value->get<bool>();
  }
  std::string octets(const char* name) {
    const std::string hex = text(name);
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
      const int high = digit(hex[i]);
      const int low = digit(hex[i + 1]);
      if (high < 0 || low < 0) {
        return wrong(name, "in hexadecimal");
      }
      bytes += static_cast<char>(high << 4 | low);
    }
    return hex.size() % 2 == 0 ? bytes : wrong(name, "in hexadecimal");
  }

 private:
  static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  }
  const Json* find(const char* name, bool needed) {
    const auto found = object_.find(name);
    if (found != object_.end()) {
      return &*found;
    }
    if (needed && fault_.empty()) {
      fault_ = std::string("\"") + name + "\" is missing";
    }
    return nullptr;
  }
  std::string wrong(const char* name, const std::string& what) {
    if (fault_.empty()) {
      fault_ = std::string("\"") + name + "\" is not " + what;
    }
    return {};
  }

  const Json& object_;
  std::string& fault_;
};

ImportRecipient recipient_of(const Json& object, bool alone, std::string& fault) {
  Fields fields(object, fault);
  ImportRecipient out;
  out.address = fields.text("address", true);
  out.original = fields.text("original");
  out.vmta = fields.text("vmta");
  out.notify = static_cast<std::uint8_t>(fields.number("notify", 255));
  out.attempts = static_cast<std::uint16_t>(fields.number("attempts", 65535, true));
  out.next_attempt = static_cast<std::uint32_t>(fields.number("next_attempt", ~0U, true));
  out.pool_key = fields.number("pool_key");
  out.priority = object.contains("priority")
                     ? static_cast<std::uint8_t>(fields.number("priority", kPriorityMax))
                     : kNormalPriority;
  out.delays = static_cast<std::uint8_t>(fields.number("delays", 15));
  out.owed = fields.octets("owed");
  out.ambiguous = fields.flag("ambiguous");
  out.alone = alone;
  if (fault.empty() && out.address.find_first_of("\r\n<> ") != std::string::npos) {
    fault = "\"address\" is not a mailbox";
  }
  return out;
}

/// Everything but the content. Empty: it is good, else what is wrong.
std::string message_of(const Json& object, ImportMessage& out) {
  std::string fault;
  Fields fields(object, fault);
  out.id = fields.text("id", true);
  out.reverse_path = fields.text("from", true);
  out.vmta = fields.text("vmta", true);
  out.job = fields.text("job");
  out.user = fields.text("user");
  out.envelope_id = fields.text("envelope_id");
  out.helo = fields.text("helo");
  out.noted = fields.text("noted");
  out.dkim_options = fields.text("dkim_options");
  out.received_us = static_cast<std::int64_t>(fields.number("received_us", 1ULL << 62, true));
  out.sender_rule = fields.number("sender_rule");
  out.dsn_return = static_cast<DsnReturn>(fields.number("ret", 2));
  out.body = static_cast<BodyType>(fields.number("body", 3));
  out.smtputf8 = fields.flag("smtputf8");
  out.reports = static_cast<std::uint8_t>(fields.number("reports", 255));
  const std::string verp = fields.octets("verp");
  if (verp.size() == out.verp.size()) {
    std::copy(verp.begin(), verp.end(), out.verp.begin());
  }
  if (const std::string origin = fields.text("origin"); !origin.empty()) {
    const auto address = IpAddress::parse(origin);
    if (!address && fault.empty()) {
      fault = "\"origin\" is not an address";
    }
    out.origin = address ? *address : IpAddress{};
  }
  if (fault.empty() && !MessageId::parse(out.id)) {
    fault = "\"id\" is not that of a message";
  }
  const auto recipients = object.find("recipients");
  if (recipients == object.end() || !recipients->is_array()) {
    return fault.empty() ? "\"recipients\" is not a list" : fault;
  }
  const bool alone = fields.flag("alone");
  for (const Json& one : *recipients) {
    if (!one.is_object()) {
      return "a recipient is not an object";
    }
    out.recipients.push_back(recipient_of(one, alone, fault));
  }
  return fault;
}

}  // namespace

Status ArchiveSource::open() {
  const std::string path = folder_ + "/messages.jsonl";
  list_.open(path);
  if (!list_) {
    return Error::of(ErrorCode::not_found, path + ": cannot be opened; is this an export?");
  }
  std::ifstream(folder_ + "/spool-id") >> spool_id_;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, failed)) {
    if (entry.path().extension() == ".eml") {
      const auto size = entry.file_size(failed);
      largest_ = failed ? largest_ : std::max<std::uint64_t>(largest_, size);
    }
  }
  return {};
}

void ArchiveSource::tell(const std::string& why) {
  ++faulty_;
  progress_.clear();
  std::fprintf(stderr, "ringpost: %s/messages.jsonl, line %llu: %s; passed over\n", folder_.c_str(),
               static_cast<unsigned long long>(line_), why.c_str());
}

void ArchiveSource::refused(const ImportMessage& message, std::string_view why) {
  tell(message.id + ": " + std::string(why));
}

bool ArchiveSource::read_content(const std::string& name, std::uint64_t size, std::string& out) {
  if (name.empty() || name.find('/') != std::string::npos) {
    tell("\"file\" does not name a file beside the list");
    return false;
  }
  std::ifstream in(folder_ + "/" + name, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) {
    tell(name + " cannot be read");
    return false;
  }
  out = std::move(text).str();
  // Header fields are part of the file and not of what was counted at reception.
  if (out.size() + 64 < size / 2) {
    tell(name + " is cut off: " + std::to_string(out.size()) + " octets of a message of " +
         std::to_string(size));
    return false;
  }
  return true;
}

Result<bool> ArchiveSource::next(ImportMessage& out) {
  std::string text;
  while (std::getline(list_, text)) {
    ++line_;
    if (progress_.wanted()) {
      progress_.show(std::to_string(line_) + " messages read");
    }
    const Json object = Json::parse(text, nullptr, false);
    if (!object.is_object()) {
      tell("it is not a JSON object");
      continue;
    }
    out = ImportMessage{};
    if (const std::string fault = message_of(object, out); !fault.empty()) {
      tell(fault);
      continue;
    }
    std::string fault;
    Fields fields(object, fault);
    const std::string name = fields.text("file", true);
    const std::uint64_t size = fields.number("size");
    if (!fault.empty()) {
      tell(fault);
    } else if (read_content(name, size, out.content)) {
      return true;
    }
  }
  return list_.bad() ? Result<bool>(Error::of(ErrorCode::io_failed, folder_ + "/messages.jsonl"))
                     : Result<bool>(false);
}

}  // namespace ringpost::app
