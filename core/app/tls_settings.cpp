#include "core/app/tls_settings.h"

#include <algorithm>
#include <variant>

#include "core/config/check.h"

namespace ringpost::app {
namespace {

TlsCertificate certificate_of(const config::CertificateFile* file) {
  if (file == nullptr) {
    return {};
  }
  return {std::string(file->file), std::string(file->password.reveal())};
}

TlsClientSettings client_settings(const config::ClientTlsSettings& in, bool authorities) {
  TlsClientSettings out;
  out.protocol.v1_0 = in.tls_allow_v1;
  out.protocol.v1_1 = in.tls_allow_v1_1;
  out.protocol.v1_2 = in.tls_allow_v1_2;
  out.protocol.v1_3 = in.tls_allow_v1_3;
  out.protocol.ciphers = in.tls_ciphers;
  out.protocol.suites = in.tls_suites;
  out.authorities = authorities;
  if (authorities) {
    out.ca_file = in.tls_ca_file;
  }
  out.certificate = certificate_of(in.client_certificate);
  return out;
}

TlsServerSettings server_settings(const config::Snapshot& snapshot,
                                  const config::Listener& listener) {
  const bool own = !listener.tls.certificates.empty();
  const config::ServerTlsSettings& in = own ? listener.tls : snapshot.global().server_tls;
  TlsServerSettings out;
  out.protocol.v1_0 = in.tls_v1;
  out.protocol.v1_1 = in.tls_v1_1;
  out.protocol.v1_2 = in.tls_v1_2;
  out.protocol.v1_3 = in.tls_v1_3;
  out.protocol.ciphers = in.ciphers;
  out.protocol.suites = in.suites;
  out.ca_file = in.ca_file;
  const auto& users = snapshot.smtp_users();
  out.asks_clients = std::any_of(users.begin(), users.end(), [](const config::SmtpUser& user) {
    return user.method == config::UserMethod::certificate;
  });
  for (const config::CertificateFile* const file : in.certificates) {
    out.certificates.push_back(certificate_of(file));
  }
  return out;
}

/// Where the certificate is named; the listener, if that is not known.
config::Origin place_of(const config::Snapshot& snapshot, const config::Listener& listener,
                        const std::vector<TlsCertificate>& certificates) {
  for (const config::Setting& setting : snapshot.global_written()) {
    const auto* named = std::get_if<const config::CertificateFile*>(&setting.value);
    if (named != nullptr && std::any_of(certificates.begin(), certificates.end(),
                                        [&](const auto& c) { return c.file == (*named)->file; })) {
      return setting.origin;
    }
  }
  return listener.origin;
}

/// What a setting of a queue makes of a context on its own; nothing where it has no part in one.
Status try_setting(const config::Setting& setting, TlsContexts& contexts) {
  config::PathPolicy policy;
  switch (setting.id) {
    case config::OptionId::client_ca_file:
    case config::OptionId::client_certificate:
    case config::OptionId::client_ciphers:
    case config::OptionId::client_suites: break;
    default: return {};
  }
  config::apply(policy, setting.id, setting.value);
  const bool authorities = setting.id == config::OptionId::client_ca_file;
  auto made = contexts.client_context(client_settings(policy, authorities));
  return made.ok() ? Status{} : Status(made.error());
}

}  // namespace

Result<TlsContextRef> TlsContextBook::client(const TlsClientSettings& settings) {
  for (const Client& known : clients_) {
    if (known.settings == settings) {
      return known.context;
    }
  }
  if (contexts_ == nullptr) {
    return Error::of(ErrorCode::unsupported, "no TLS here");
  }
  auto made = contexts_->client_context(settings);
  if (made) {
    clients_.push_back({settings, *made});
  }
  return made;
}

QueueTls queue_tls(const config::PathPolicy& policy, TlsContextBook& book) {
  QueueTls out;
  out.resume = policy.reuse_tls_session;
  out.dane = policy.use_dane;
  out.sts = policy.use_mta_sts;
  out.authorities = policy.tls_ca_file;
  if (policy.tls_verification == config::TlsVerification::certificate) {
    out.demand = TlsDemand::verified;
  } else if (policy.require_starttls ||
             policy.tls_verification == config::TlsVerification::encrypt) {
    out.demand = TlsDemand::encrypted;
  } else if (policy.use_starttls || policy.use_dane || policy.use_mta_sts) {
    out.demand = TlsDemand::offered;
  } else {
    return out;
  }
  const bool authorities = out.demand == TlsDemand::verified || out.sts;
  auto context = book.client(client_settings(policy, authorities));
  if (context) {
    out.context = *context;
  } else {
    out.context_error = context.error().describe();
  }
  return out;
}

TlsContextRef listener_tls(const config::Snapshot& snapshot, const config::Listener& listener,
                           TlsContexts& contexts) {
  const TlsServerSettings settings = server_settings(snapshot, listener);
  if (listener.no_tls || settings.certificates.empty()) {
    return nullptr;
  }
  auto made = contexts.server_context(settings);
  return made ? *made : nullptr;
}

std::vector<config::Diagnostic> check_tls(const config::Snapshot& snapshot, TlsContexts& contexts) {
  std::vector<config::Diagnostic> found;
  const auto look = [&](std::span<const config::Setting> settings) {
    for (const config::Setting& setting : settings) {
      if (auto tried = try_setting(setting, contexts); !tried) {
        found.push_back(config::finding_at(snapshot, setting.origin, tried.error().detail));
      }
    }
  };
  look(snapshot.global_written());
  for (config::VmtaId vmta = 0; vmta < snapshot.virtual_mtas().size(); ++vmta) {
    look(snapshot.vmta_written(vmta));
  }
  for (const config::DomainEntry& entry : snapshot.entries()) {
    look(entry.settings);
  }
  for (const config::Listener& listener : snapshot.global().listeners) {
    const TlsServerSettings settings = server_settings(snapshot, listener);
    if (settings.certificates.empty()) {
      if (listener.immediate_tls) {
        found.push_back(config::finding_at(snapshot, listener.origin,
                                           "immediate-tls needs tls-certificate or "
                                           "smtp-server-tls-certificate"));
      }
    } else if (auto made = contexts.server_context(settings); !made) {
      const config::Origin origin = place_of(snapshot, listener, settings.certificates);
      const bool known = std::any_of(found.begin(), found.end(), [&](const auto& one) {
        return one.line == origin.line && one.message == made.error().detail;
      });
      if (!known) {
        found.push_back(config::finding_at(snapshot, origin, made.error().detail));
      }
    }
  }
  return found;
}

}  // namespace ringpost::app
