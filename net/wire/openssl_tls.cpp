#include "net/wire/openssl_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstring>
#include <list>
#include <string_view>
#include <vector>

#include "core/base/address.h"
#include "core/base/assert.h"
#include "core/base/text.h"
#include "net/wire/kernel_tls.h"

namespace ringpost {
namespace {

/// Calls OpenSSL's function when the owner goes.
template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* object) const noexcept {
    Free(object);
  }
};
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freer<SSL_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, Freer<SSL_SESSION_free>>;

/// A context of ours: that of the library, and for a server one more for each further certificate.
class Context final : public TlsContext {
 public:
  ContextPtr main;
  std::vector<ContextPtr> others;
  std::uint64_t serial = 0;  ///< of the process: names it in keys of sessions
  bool old_protocols = false;
  bool authorities = false;  ///< of a server: who vouches for clients
};

/// Sessions of one shard that can be resumed, by key; a bounded number.
class SessionStore {
 public:
  explicit SessionStore(std::size_t sessions_max) : sessions_max_(sessions_max) {}

  /// nullptr: none. Stays the store's.
  SSL_SESSION* find(const std::string& key);
  void put(const std::string& key, SessionPtr session);
  void drop(const std::string& key);

 private:
  struct Entry {
    std::string key;
    SessionPtr session;
  };

  std::size_t sessions_max_;
  std::list<Entry> entries_;  ///< latest first
  std::map<std::string, std::list<Entry>::iterator> by_key_;
};

/// The last errors of this thread, oldest first, in one line; the queue is empty afterwards.
std::string take_errors() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    // What the system says stands before a line of OpenSSL that only tells that it did.
    const int reason = ERR_GET_REASON(code);
    const bool by_system = ERR_GET_LIB(code) == ERR_LIB_SYS;
    const char* const said = ERR_reason_error_string(code);
    const std::string why = by_system         ? Error::from_errno(reason, "system").detail
                            : said == nullptr ? std::string()
                                              : std::string(said);
    if (!why.empty() && text.size() < 200 && reason != ERR_R_SYS_LIB) {
      text.append(text.empty() ? "" : ", ").append(why);
    }
  }
  return text;
}

SSL_SESSION* SessionStore::find(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->session.get();
}

void SessionStore::put(const std::string& key, SessionPtr session) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    found->second->session = std::move(session);
    entries_.splice(entries_.begin(), entries_, found->second);
    return;
  }
  if (entries_.size() >= sessions_max_) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  entries_.push_front({key, std::move(session)});
  by_key_.emplace(key, entries_.begin());
}

void SessionStore::drop(const std::string& key) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    entries_.erase(found->second);
    by_key_.erase(found);
  }
}

// Contexts.

int keep_session(SSL* ssl, SSL_SESSION* session);

std::atomic<std::uint64_t> g_serial{0};

Error error_of(ErrorCode code, std::string what) {
  const std::string why = take_errors();
  return Error::of(code, why.empty() ? std::move(what) : what + ": " + why);
}

int give_password(char* room, int size, int, void* password) {
  const auto& text = *static_cast<const std::string*>(password);
  if (text.size() > static_cast<std::size_t>(size)) {
    return -1;
  }
  std::memcpy(room, text.data(), text.size());
  return static_cast<int>(text.size());
}

Status use_certificate(SSL_CTX* context, const TlsCertificate& certificate) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate.file.c_str()) != 1) {
    return error_of(ErrorCode::invalid, "no certificate can be read from " + certificate.file);
  }
  SSL_CTX_set_default_passwd_cb(context, &give_password);
  SSL_CTX_set_default_passwd_cb_userdata(context, const_cast<std::string*>(&certificate.password));
  const bool done =
      SSL_CTX_use_PrivateKey_file(context, certificate.file.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (!done || SSL_CTX_check_private_key(context) != 1) {
    return error_of(ErrorCode::invalid,
                    "no key that fits the certificate can be read from " + certificate.file);
  }
  return {};
}

Status use_protocol(SSL_CTX* context, const TlsProtocol& protocol) {
  // Versions need not be a range; the system's own minimum does not count here.
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, 0);
  SSL_CTX_clear_options(
      context, SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
  SSL_CTX_set_options(context, (protocol.v1_0 ? 0 : SSL_OP_NO_TLSv1) |
                                   (protocol.v1_1 ? 0 : SSL_OP_NO_TLSv1_1) |
                                   (protocol.v1_2 ? 0 : SSL_OP_NO_TLSv1_2) |
                                   (protocol.v1_3 ? 0 : SSL_OP_NO_TLSv1_3));
  if (!protocol.v1_0 && !protocol.v1_1 && !protocol.v1_2 && !protocol.v1_3) {
    return Error::of(ErrorCode::invalid, "no version of TLS is allowed");
  }
  // Before the list, which may raise it: the system's default would refuse the old versions.
  SSL_CTX_set_security_level(context, protocol.v1_0 || protocol.v1_1 ? 0 : 1);
  const std::string ciphers = protocol.ciphers.empty() ? "DEFAULT:!aNULL" : protocol.ciphers;
  if (SSL_CTX_set_cipher_list(context, ciphers.c_str()) != 1) {
    return error_of(ErrorCode::invalid, "no cipher is known in '" + ciphers + "'");
  }
  if (!protocol.suites.empty() && SSL_CTX_set_ciphersuites(context, protocol.suites.c_str()) != 1) {
    return error_of(ErrorCode::invalid, "unknown cipher suite in '" + protocol.suites + "'");
  }
  return {};
}

Result<ContextPtr> make_common(const SSL_METHOD* method, const TlsProtocol& protocol) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(method));
  if (context == nullptr) {
    return error_of(ErrorCode::no_capacity, "no memory for TLS");
  }
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  if (auto used = use_protocol(context.get(), protocol); !used) {
    return used.error();
  }
  return context;
}

int accept_any(int, X509_STORE_CTX*) { return 1; }

Result<ContextPtr> make_server_context(const TlsServerSettings& settings,
                                       const TlsCertificate& certificate, X509_STORE* authorities) {
  auto made = make_common(TLS_server_method(), settings.protocol);
  if (!made) {
    return made.error();
  }
  SSL_CTX* const context = made->get();
  if (auto used = use_certificate(context, certificate); !used) {
    return used.error();
  }
  static constexpr unsigned char kName[] = "ringpost";
  SSL_CTX_set_session_id_context(context, kName, sizeof kName - 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets only: nothing is kept
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_dh_auto(context, 1);
  if (authorities != nullptr) {
    SSL_CTX_set1_cert_store(context, authorities);
  }
  if (authorities != nullptr || settings.asks_clients) {
    // Asked for; whether it is good is told in the facts.
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, &accept_any);
  }
  return made;
}

bool names(SSL_CTX* context, const char* name) {
  X509* const leaf = SSL_CTX_get0_certificate(context);
  return leaf != nullptr && X509_check_host(leaf, name, 0, 0, nullptr) == 1;
}

// Chooses the certificate for the name that the client asked for.
int choose_certificate(SSL* ssl, int*, void* argument) {
  const auto& context = *static_cast<const Context*>(argument);
  const char* const name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (name == nullptr || names(context.main.get(), name)) {
    return SSL_TLSEXT_ERR_OK;
  }
  for (const ContextPtr& other : context.others) {
    if (names(other.get(), name)) {
      SSL_set_SSL_CTX(ssl, other.get());
      break;
    }
  }
  return SSL_TLSEXT_ERR_OK;
}

Result<TlsContextRef> make_client(const TlsClientSettings& settings, X509_STORE* authorities) {
  auto made = make_common(TLS_client_method(), settings.protocol);
  if (!made) {
    return made.error();
  }
  auto context = std::make_shared<Context>();
  context->main = std::move(*made);
  context->serial = ++g_serial;
  context->old_protocols = settings.protocol.v1_0 || settings.protocol.v1_1;
  SSL_CTX* const raw = context->main.get();
  if (!settings.certificate.file.empty()) {
    if (auto used = use_certificate(raw, settings.certificate); !used) {
      return used.error();
    }
  }
  if (authorities != nullptr) {
    SSL_CTX_set1_cert_store(raw, authorities);
  }
  if (SSL_CTX_dane_enable(raw) != 1) {
    return error_of(ErrorCode::unsupported, "DANE");
  }
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(raw, &keep_session);
  return TlsContextRef(std::move(context));
}

Result<TlsContextRef> make_server(const TlsServerSettings& settings, X509_STORE* authorities) {
  auto context = std::make_shared<Context>();
  context->serial = ++g_serial;
  context->authorities = authorities != nullptr;
  for (const TlsCertificate& certificate : settings.certificates) {
    auto made = make_server_context(settings, certificate, authorities);
    if (!made) {
      return made.error();
    }
    if (context->main == nullptr) {
      context->main = std::move(*made);
    } else {
      context->others.push_back(std::move(*made));
    }
  }
  if (context->main == nullptr) {
    return Error::of(ErrorCode::invalid, "a server of TLS needs a certificate");
  }
  SSL_CTX_set_tlsext_servername_callback(context->main.get(), &choose_certificate);
  SSL_CTX_set_tlsext_servername_arg(context->main.get(), context.get());
  return TlsContextRef(std::move(context));
}

// Engines: one encrypted connection each. Both BIOs are ours: reading takes from the bytes that
// were given, writing appends to the output.

class Engine;

int read_bytes(BIO* bio, char* room, int size);
int write_bytes(BIO* bio, const char* bytes, int size);
long control_kernel(BIO* bio, int command, long number, void* argument);

long control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;  // nothing is buffered
}

int create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD* make_method(long (*control_it)(BIO*, int, long, void*)) {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ringpost");
  BIO_meth_set_read(method, &read_bytes);
  BIO_meth_set_write(method, &write_bytes);
  BIO_meth_set_ctrl(method, control_it);
  BIO_meth_set_create(method, &create);
  return method;
}

// Made with the first engine and kept: engines name them until they go.
BIO_METHOD* bio_method() {
  static BIO_METHOD* const kMethod = make_method(&control);
  return kMethod;
}

BIO_METHOD* kernel_bio_method() {
  static BIO_METHOD* const kMethod = make_method(&control_kernel);
  return kMethod;
}

TlsVersion version_of(const SSL* ssl) {
  switch (SSL_version(ssl)) {
    case TLS1_VERSION: return TlsVersion::v1_0;
    case TLS1_1_VERSION: return TlsVersion::v1_1;
    case TLS1_2_VERSION: return TlsVersion::v1_2;
    case TLS1_3_VERSION: return TlsVersion::v1_3;
    default: return TlsVersion::none;
  }
}

TlsFailure failure_of(long verdict, TlsCheck check) {
  switch (verdict) {
    case X509_V_OK: return TlsFailure::validation_failure;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return TlsFailure::certificate_host_mismatch;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return TlsFailure::certificate_expired;
    default:
      return check == TlsCheck::dane ? TlsFailure::validation_failure
                                     : TlsFailure::certificate_not_trusted;
  }
}

class Engine final : public TlsEngine {
 public:
  explicit Engine(SessionStore& sessions) : sessions_(sessions) {}
  ~Engine() override {
    if (ssl_ != nullptr && done_ && !broken_) {
      // Else the library takes the session for broken and never resumes it.
      SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
  }

  bool open(const SecureOp& op);

  void offer_socket(int socket) override;
  bool kernel_sends() const override { return kernel_ != nullptr && kernel_->active(); }
  KernelSender* kernel() { return kernel_.get(); }

  void give(std::string_view encrypted) override { given_ = encrypted; }
  bool needs_bytes() const override { return given_.empty(); }
  Step handshake(SecureOp& op) override;
  std::size_t read(std::span<char> out) override;
  bool ended() const override { return ended_ || broken_; }
  bool broken() const override { return broken_; }
  bool write(std::string_view plain) override;
  void end() override;
  std::vector<char>& output() override { return output_; }

  std::string_view& given() { return given_; }
  void keep(SSL_SESSION* session) {
    if (!session_key_.empty()) {
      sessions_.put(session_key_, SessionPtr(session));
    }
  }
  bool keeps() const { return !session_key_.empty(); }

 private:
  bool open_client(const SecureOp& op, const Context& context);
  bool check_name(const std::string& name);
  bool use_tlsa(const SecureOp& op, const std::string& name);
  void note_client(TlsFacts& facts) const;
  void note_failure(SecureOp& op);

  SessionStore& sessions_;
  TlsContextRef context_;
  std::unique_ptr<KernelSender> kernel_;  ///< where a socket was offered
  SslPtr ssl_;
  std::string_view given_;
  std::vector<char> output_;
  std::string session_key_;
  TlsCheck check_ = TlsCheck::none;
  bool server_ = false;
  bool done_ = false;
  bool ended_ = false;
  bool broken_ = false;
  bool end_sent_ = false;
};

int read_bytes(BIO* bio, char* room, int size) {
  BIO_clear_retry_flags(bio);
  std::string_view& given = static_cast<Engine*>(BIO_get_data(bio))->given();
  if (given.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const std::size_t taken = std::min(given.size(), static_cast<std::size_t>(size));
  std::memcpy(room, given.data(), taken);
  given.remove_prefix(taken);
  return static_cast<int>(taken);
}

int write_bytes(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  auto& engine = *static_cast<Engine*>(BIO_get_data(bio));
  if (engine.kernel_sends()) {
    return engine.kernel()->write(bytes, size);
  }
  std::vector<char>& output = engine.output();
  output.insert(output.end(), bytes, bytes + size);
  return size;
}

long control_kernel(BIO* bio, int command, long number, void* argument) {
  auto& engine = *static_cast<Engine*>(BIO_get_data(bio));
  return engine.kernel()->control(command, number, argument, engine.output());
}

int keep_session(SSL* ssl, SSL_SESSION* session) {
  auto& engine = *static_cast<Engine*>(SSL_get_app_data(ssl));
  if (!engine.keeps() || SSL_SESSION_is_resumable(session) != 1) {
    return 0;
  }
  engine.keep(session);
  return 1;  // the reference is ours now
}

bool Engine::open(const SecureOp& op) {
  ERR_clear_error();
  context_ = op.context;
  const auto& context = static_cast<const Context&>(*context_);
  ssl_.reset(SSL_new(context.main.get()));
  BIO* const bio = BIO_new(bio_method());
  if (ssl_ == nullptr || bio == nullptr) {
    BIO_free(bio);
    return false;
  }
  BIO_set_data(bio, this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
  server_ = op.server;
  if (server_) {
    SSL_set_accept_state(ssl_.get());
    return true;
  }
  SSL_set_connect_state(ssl_.get());
  return open_client(op, context);
}

void Engine::offer_socket(int socket) {
  BIO* const bio = BIO_new(kernel_bio_method());
  if (bio == nullptr) {
    return;
  }
  kernel_ = std::make_unique<KernelSender>(socket);
  BIO_set_data(bio, this);
  SSL_set0_wbio(ssl_.get(), bio);
  SSL_set_options(ssl_.get(), SSL_OP_ENABLE_KTLS);
}

bool Engine::open_client(const SecureOp& op, const Context& context) {
  SSL* const ssl = ssl_.get();
  std::string name(op.host_name);
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') {
    name = name.substr(1, name.size() - 2);  // a literal as smart hosts are written
  }
  const bool literal = IpAddress::parse(name).ok();
  check_ = op.check;
  bool done = name.empty() || literal || SSL_set_tlsext_host_name(ssl, name.c_str()) == 1;
  if (check_ == TlsCheck::certificate) {
    done = done && check_name(name);
  } else if (check_ == TlsCheck::dane) {
    done = done && use_tlsa(op, name);
  } else {
    SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  }
  if (check_ != TlsCheck::none) {
    SSL_set_verify(ssl, op.advisory ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
    // A certificate that proves something has to be of some strength, whatever else is allowed.
    if (!op.advisory) {
      SSL_set_security_level(ssl, 1);
    }
  }
  if (!op.session_key.empty()) {
    session_key_.assign(op.session_key).append("\n").append(name).append("\n");
    session_key_.append(std::to_string(context.serial)).append("\n");
    session_key_.append(std::to_string(static_cast<int>(check_))).append(op.advisory ? "?" : "");
    for (const TlsaRecord& record : op.tlsa) {
      const unsigned char head[] = {record.usage, record.selector, record.matching};
      session_key_.append(reinterpret_cast<const char*>(head), sizeof head).append(record.data);
    }
    if (SSL_SESSION* const session = sessions_.find(session_key_)) {
      SSL_set_session(ssl, session);
    }
  }
  return done;
}

bool Engine::check_name(const std::string& name) {
  X509_VERIFY_PARAM* const rules = SSL_get0_param(ssl_.get());
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (IpAddress::parse(name).ok()) {
    return X509_VERIFY_PARAM_set1_ip_asc(rules, name.c_str()) == 1;
  }
  return !name.empty() && X509_VERIFY_PARAM_set1_host(rules, name.data(), name.size()) == 1;
}

// RFC 7672: DANE-TA and DANE-EE only, and names are not looked at for DANE-EE.
bool Engine::use_tlsa(const SecureOp& op, const std::string& name) {
  SSL* const ssl = ssl_.get();
  if (SSL_dane_enable(ssl, name.c_str()) != 1) {
    return false;
  }
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  bool usable = false;
  for (const TlsaRecord& record : op.tlsa) {
    usable = SSL_dane_tlsa_add(ssl, record.usage, record.selector, record.matching,
                               reinterpret_cast<const unsigned char*>(record.data.data()),
                               record.data.size()) > 0 ||
             usable;
  }
  return usable;
}

TlsEngine::Step Engine::handshake(SecureOp& op) {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    if (SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ) {
      return Step::wants_bytes;
    }
    note_failure(op);
    return Step::failed;
  }
  done_ = true;
  op.facts.version = version_of(ssl_.get());
  const SSL_CIPHER* const cipher = SSL_get_current_cipher(ssl_.get());
  op.facts.cipher = cipher == nullptr ? "" : SSL_CIPHER_get_name(cipher);
  op.facts.resumed = SSL_session_reused(ssl_.get()) == 1;
  op.facts.verified = (server_ || check_ != TlsCheck::none) &&
                      SSL_get0_peer_certificate(ssl_.get()) != nullptr &&
                      SSL_get_verify_result(ssl_.get()) == X509_V_OK;
  if (server_) {
    note_client(op.facts);
  }
  if (op.advisory && !op.facts.verified) {
    op.failure = failure_of(SSL_get_verify_result(ssl_.get()), check_);
  }
  return Step::done;
}

// Also of a session that is resumed, whose ticket holds what was shown first.
void Engine::note_client(TlsFacts& facts) const {
  X509* const shown = SSL_get0_peer_certificate(ssl_.get());
  unsigned size = 0;
  if (shown == nullptr ||
      X509_digest(shown, EVP_sha256(), facts.client_digest.data(), &size) != 1) {
    return;
  }
  const bool in_time = X509_cmp_current_time(X509_get0_notBefore(shown)) < 0 &&
                       X509_cmp_current_time(X509_get0_notAfter(shown)) > 0;
  const bool vouched = !static_cast<const Context&>(*context_).authorities ||
                       SSL_get_verify_result(ssl_.get()) == X509_V_OK;
  facts.client = !in_time  ? ClientProof::expired
                 : vouched ? ClientProof::good
                           : ClientProof::untrusted;
}

void Engine::note_failure(SecureOp& op) {
  broken_ = true;
  const long verdict = SSL_get_verify_result(ssl_.get());
  const bool certificate = !server_ && check_ != TlsCheck::none && verdict != X509_V_OK;
  op.failure = certificate ? failure_of(verdict, check_) : TlsFailure::validation_failure;
  const std::string errors = take_errors();
  TextBuilder text(op.error);
  if (certificate) {
    text.add("certificate: ").add(X509_verify_cert_error_string(verdict));
  } else {
    text.add(errors.empty() ? "the handshake was broken off" : std::string_view(errors));
  }
  op.error_size = static_cast<std::uint8_t>(text.size());
  if (!session_key_.empty()) {
    sessions_.drop(session_key_);
  }
}

std::size_t Engine::read(std::span<char> out) {
  if (ended()) {
    return 0;
  }
  ERR_clear_error();
  const int result = SSL_read(ssl_.get(), out.data(),
                              static_cast<int>(std::min<std::size_t>(out.size(), INT_MAX)));
  if (result > 0) {
    return static_cast<std::size_t>(result);
  }
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ: break;
    case SSL_ERROR_ZERO_RETURN: ended_ = true; break;
    default: broken_ = true; break;
  }
  // The kernel's keys cannot be changed: an update that was asked for can not be answered.
  broken_ = broken_ || (kernel_sends() && SSL_get_key_update_type(ssl_.get()) >= 0);
  ERR_clear_error();
  return 0;
}

bool Engine::write(std::string_view plain) {
  if (broken_) {
    return false;
  }
  ERR_clear_error();
  // The output takes all, so that a piece is never left half encrypted.
  const int result = SSL_write(ssl_.get(), plain.data(), static_cast<int>(plain.size()));
  broken_ = result != static_cast<int>(plain.size());
  ERR_clear_error();
  return !broken_;
}

void Engine::end() {
  if (!end_sent_ && done_ && !broken_) {
    end_sent_ = true;
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
}

std::unique_ptr<TlsEngine> make_engine(const SecureOp& op, SessionStore& sessions) {
  auto engine = std::make_unique<Engine>(sessions);
  if (!engine->open(op)) {
    return nullptr;
  }
  return engine;
}

}  // namespace

OpenSslAuthorities::OpenSslAuthorities() = default;

OpenSslAuthorities::~OpenSslAuthorities() {
  for (const auto& [file, store] : stores_) {
    X509_STORE_free(static_cast<X509_STORE*>(store));
  }
}

void OpenSslAuthorities::forget() {
  const std::lock_guard lock(mutex_);
  for (const auto& [file, store] : stores_) {
    X509_STORE_free(static_cast<X509_STORE*>(store));  // contexts hold references of their own
  }
  stores_.clear();
}

Result<void*> OpenSslAuthorities::store(const std::string& file) {
  const std::lock_guard lock(mutex_);
  if (const auto found = stores_.find(file); found != stores_.end()) {
    X509_STORE_up_ref(static_cast<X509_STORE*>(found->second));
    return found->second;
  }
  ERR_clear_error();
  X509_STORE* const store = X509_STORE_new();
  const bool read =
      store != nullptr && (file.empty() ? X509_STORE_set_default_paths(store)
                                        : X509_STORE_load_file(store, file.c_str())) == 1;
  if (!read) {
    X509_STORE_free(store);
    return Error::of(ErrorCode::invalid,
                     (file.empty() ? std::string("the system's authorities cannot be read")
                                   : "no authorities can be read from " + file) +
                         ": " + take_errors());
  }
  X509_STORE_up_ref(store);
  stores_.emplace(file, store);
  return static_cast<void*>(store);
}

class OpenSslEngines::Sessions : public SessionStore {
 public:
  using SessionStore::SessionStore;
};

OpenSslEngines::OpenSslEngines(std::shared_ptr<OpenSslAuthorities> authorities,
                               const OpenSslOptions& options)
    : authorities_(std::move(authorities)),
      sessions_(std::make_unique<Sessions>(options.sessions_max)) {}

OpenSslEngines::~OpenSslEngines() = default;

Result<TlsContextRef> OpenSslEngines::client_context(const TlsClientSettings& settings) {
  X509_STORE* store = nullptr;
  if (settings.authorities) {
    auto read = authorities_->store(settings.ca_file);
    if (!read) {
      return read.error();
    }
    store = static_cast<X509_STORE*>(*read);
  }
  auto made = make_client(settings, store);
  X509_STORE_free(store);
  return made;
}

Result<TlsContextRef> OpenSslEngines::server_context(const TlsServerSettings& settings) {
  X509_STORE* store = nullptr;
  if (!settings.ca_file.empty()) {
    auto read = authorities_->store(settings.ca_file);
    if (!read) {
      return read.error();
    }
    store = static_cast<X509_STORE*>(*read);
  }
  auto made = make_server(settings, store);
  X509_STORE_free(store);
  return made;
}

std::unique_ptr<TlsEngine> OpenSslEngines::make(const SecureOp& op) {
  return make_engine(op, *sessions_);
}

}  // namespace ringpost
