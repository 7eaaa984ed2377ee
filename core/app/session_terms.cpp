#include "core/app/session_terms.h"

#include <string_view>
#include <type_traits>

#include "core/base/hash.h"
#include "core/config/patterns.h"
#include "net/sign/signing_plan.h"

namespace ringpost::app {
namespace {

/// A hash over values whose borders count.
class Digest {
 public:
  template <class... T>
  void add(const T&... values) {
    (one(values), ...);
  }
  std::uint64_t value() const { return hasher_.digest(); }

 private:
  void one(std::string_view text) {
    number(text.size());
    hasher_.update(text);
  }
  void one(Duration time) { number(static_cast<std::uint64_t>(time.ns)); }
  void one(const IpAddress& address) { one(address.valid() ? address.text() : std::string()); }
  template <class T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void one(T value) { number(static_cast<std::uint64_t>(value)); }
  void number(std::uint64_t value) {
    hasher_.update({reinterpret_cast<const char*>(&value), sizeof value});
  }

  Hasher64 hasher_;
};

void add_hosts(Digest& digest, const std::vector<StaticHost>& hosts) {
  digest.add(hosts.size());
  for (const StaticHost& host : hosts) {
    digest.add(host.name, host.address, host.port, host.by_mx, host.preference);
  }
}

void add_way(Digest& digest, const QueuePolicy& policy) {
  digest.add(policy.vmta, policy.sources.size());
  for (const SourceAddress& source : policy.sources) {
    digest.add(source.ip, source.helo);
  }
  add_hosts(digest, policy.static_route);
  digest.add(policy.backup != nullptr);
  if (policy.backup != nullptr) {
    add_hosts(digest, policy.backup->static_route);
  }
  digest.add(policy.smtp_port, policy.no_mx_wait, policy.allow_private_mx, policy.held,
             policy.hosts_tried_max, policy.local != nullptr);
  if (const LocalDelivery* local = policy.local.get(); local != nullptr) {
    digest.add(local->way, local->as_bounce, local->form, local->folder, local->command,
               local->keep_case);
  }
}

void add_security(Digest& digest, const QueuePolicy& policy, const config::ClientTlsSettings& in) {
  const QueueTls& tls = policy.tls;
  digest.add(tls.demand, tls.context != nullptr, tls.resume, tls.dane, tls.sts, tls.authorities,
             in.tls_allow_v1, in.tls_allow_v1_1, in.tls_allow_v1_2, in.tls_allow_v1_3,
             in.tls_ciphers, in.tls_suites, in.client_certificate != nullptr);
  if (in.client_certificate != nullptr) {
    digest.add(in.client_certificate->file, in.client_certificate->password.reveal());
  }
  digest.add(policy.login != nullptr);
  if (const Login* login = policy.login.get(); login != nullptr) {
    digest.add(login->user, login->password.reveal(), login->clear_text_ok);
  }
}

void add_conduct(Digest& digest, const QueuePolicy& policy, const config::PathPolicy& in) {
  const PhaseTimeouts& times = policy.timeouts;
  digest.add(policy.messages_per_connection_max, policy.errors_per_connection_max, policy.paced,
             policy.pipeline_window, policy.ignore_pipelining, policy.ignore_chunking,
             policy.ignore_8bitmime, policy.ignore_dsn, policy.zero_copy_threshold_bytes,
             policy.events, policy.idle_timeout, times.connect, times.greeting, times.command,
             times.data, times.content, times.final_reply, times.handshake, times.whole_reply);
  digest.add(policy.backoff, policy.skip_host_on_421, policy.no_mailbox_on_553,
             policy.assume_delivered_on_timeout, policy.bounce_on_broken_content,
             policy.eight_bit_needs_offer, policy.bounce_on_5xx_greeting,
             in.reply_patterns != nullptr ? in.reply_patterns->digest() : 0);
  digest.add(policy.signing != nullptr ? policy.signing->fingerprint : 0);
}

}  // namespace

std::uint64_t session_terms(const QueuePolicy& policy, const config::PathPolicy& in) {
  Digest digest;
  add_way(digest, policy);
  add_security(digest, policy, in);
  add_conduct(digest, policy, in);
  const std::uint64_t value = digest.value();
  return value != 0 ? value : 1;
}

}  // namespace ringpost::app
