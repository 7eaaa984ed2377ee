#include "bench/tools/tls_filter.h"

#include <algorithm>
#include <climits>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace ringpost::tools {
namespace {

constexpr int kPieceBytes = 16 * 1024;  // the most a TLS record carries

Error library_error(const std::string& what) {
  char text[256];
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  return Error::of(ErrorCode::invalid, what + ": " + text);
}

TlsContextPtr new_context(const SSL_METHOD* method) {
  return {SSL_CTX_new(method), [](ssl_ctx_st* context) { SSL_CTX_free(context); }};
}

}  // namespace

Result<TlsContextPtr> server_tls(const std::string& pem) {
  TlsContextPtr context = new_context(TLS_server_method());
  if (!context || SSL_CTX_use_certificate_chain_file(context.get(), pem.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context.get(), pem.c_str(), SSL_FILETYPE_PEM) != 1) {
    return library_error("certificate and key of " + pem);
  }
  return context;
}

Result<TlsContextPtr> client_tls() {
  TlsContextPtr context = new_context(TLS_client_method());
  if (!context) {
    return library_error("TLS client");
  }
  return context;
}

TlsFilter::~TlsFilter() { reset(); }

void TlsFilter::reset() {
  SSL_free(ssl_);
  ssl_ = nullptr;
  shaken_ = false;
  held_.clear();
  out_.clear();
}

void TlsFilter::begin(ssl_ctx_st* context, bool as_server) {
  ssl_ = SSL_new(context);
  SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  as_server ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
  shake();
}

bool TlsFilter::shake() {
  const int result = SSL_do_handshake(ssl_);
  const bool waits = result != 1 && SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ;
  drain();
  if (result == 1) {
    shaken_ = true;
    const std::string held = std::exchange(held_, {});
    return held.empty() || send(held);
  }
  return waits;
}

void TlsFilter::drain() {
  BIO* bio = SSL_get_wbio(ssl_);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  if (size > 0) {
    out_.append(data, static_cast<std::size_t>(size));
    (void)BIO_reset(bio);
  }
}

bool TlsFilter::receive(std::string_view bytes, std::string& plain) {
  if (bytes.size() > INT_MAX ||
      BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size())) !=
          static_cast<int>(bytes.size())) {
    return false;
  }
  if (!shaken_) {
    const bool well = shake();
    if (!well || !shaken_) {
      return well;
    }
  }
  int got = 0;
  char piece[kPieceBytes];
  while ((got = SSL_read(ssl_, piece, sizeof piece)) > 0) {
    plain.append(piece, static_cast<std::size_t>(got));
  }
  const bool goes_on = SSL_get_error(ssl_, got) == SSL_ERROR_WANT_READ;
  drain();  // answers of the protocol itself, such as key updates
  return goes_on;
}

bool TlsFilter::send(std::string_view plain) {
  if (!shaken_) {
    held_.append(plain);
    return true;
  }
  while (!plain.empty()) {
    const auto size = static_cast<int>(std::min<std::size_t>(plain.size(), INT_MAX));
    const int written = SSL_write(ssl_, plain.data(), size);
    if (written <= 0) {
      return false;
    }
    plain.remove_prefix(static_cast<std::size_t>(written));
  }
  drain();
  return true;
}

}  // namespace ringpost::tools
