#include "net/sign/signing_key.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>
#include <climits>

#include "core/base/base64.h"
#include "core/base/hash.h"

namespace ringpost::sign {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using KeyHandle = std::unique_ptr<EVP_PKEY, FreeKey>;
using ContextHandle = std::unique_ptr<EVP_PKEY_CTX, FreeContext>;
using DigestHandle = std::unique_ptr<EVP_MD_CTX, FreeDigest>;
using BioHandle = std::unique_ptr<BIO, FreeBio>;

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Asked where the text announced no encryption but the key has it: no passphrase is ever given.
int no_passphrase(char*, int, int, void*) { return -1; }

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// What a PEM text that gives no usable private key is, as far as its first lines tell.
Error explain(std::string_view pem) {
  const char* why = "is no private key in PEM form (no BEGIN line)";
  if (contains(pem, "BEGIN CERTIFICATE")) {
    why = "is a certificate, not a private key";
  } else if (contains(pem, "BEGIN PUBLIC KEY") || contains(pem, "BEGIN RSA PUBLIC KEY")) {
    why = "is a public key; signing needs the private one";
  } else if (contains(pem, "BEGIN OPENSSH PRIVATE KEY")) {
    why = "is a key of OpenSSH; convert it with ssh-keygen -p -m PKCS8";
  } else if (contains(pem, "PRIVATE KEY-----")) {
    why = "is damaged: the text between BEGIN and END is no private key";
  }
  return Error::of(ErrorCode::invalid, why);
}

bool is_encrypted(std::string_view pem) {
  return contains(pem, "BEGIN ENCRYPTED PRIVATE KEY") || contains(pem, "Proc-Type: 4,ENCRYPTED");
}

ContextHandle signing_context(EVP_PKEY* key, bool verify) {
  ContextHandle context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
  const bool ready =
      context != nullptr &&
      (verify ? EVP_PKEY_verify_init(context.get()) : EVP_PKEY_sign_init(context.get())) == 1 &&
      EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1 &&
      EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1;
  return ready ? std::move(context) : nullptr;
}

Error crypto_failed() {
  ERR_clear_error();
  return Error::of(ErrorCode::io_failed, "the private operation failed in OpenSSL");
}

}  // namespace

SigningKey::~SigningKey() { EVP_PKEY_free(key_); }

Result<std::shared_ptr<const SigningKey>> SigningKey::from_pem(std::string_view pem) {
  if (is_encrypted(pem)) {
    return Error::of(ErrorCode::invalid,
                     "is encrypted and a server has nobody to ask for the passphrase; write it "
                     "without one: openssl pkey -in FILE -out NEWFILE");
  }
  const auto begin = pem.find("-----BEGIN ");
  if (begin == std::string_view::npos || pem.size() > INT_MAX) {
    return explain(pem);
  }
  const std::string_view text = pem.substr(begin);
  const BioHandle bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  std::shared_ptr<SigningKey> key(new SigningKey);
  key->key_ = bio == nullptr ? nullptr
                             : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr);
  ERR_clear_error();
  if (key->key_ == nullptr) {
    return explain(pem);
  }
  if (Status status = key->adopt(); !status.ok()) {
    return status.error();
  }
  return std::shared_ptr<const SigningKey>(std::move(key));
}

Status SigningKey::adopt() {
  const int type = EVP_PKEY_get_base_id(key_);
  bits_ = static_cast<unsigned>(std::max(EVP_PKEY_get_bits(key_), 0));
  if (type == EVP_PKEY_RSA) {
    algorithm_ = Algorithm::rsa_sha256;
    if (bits_ < kRsaBitsMin || bits_ > kRsaBitsMax) {
      return Error::of(ErrorCode::out_of_range, "has " + std::to_string(bits_) +
                                                    " bits; receivers check RSA keys of 1024 to "
                                                    "4096 bits, use 2048");
    }
  } else if (type == EVP_PKEY_ED25519) {
    algorithm_ = Algorithm::ed25519_sha256;
    bits_ = 256;
  } else {
    const char* name = EVP_PKEY_get0_type_name(key_);
    return Error::of(ErrorCode::invalid, "is of type " + std::string(name != nullptr ? name : "?") +
                                             "; DKIM knows RSA and Ed25519 (RFC 8301, 8463)");
  }
  if (Status status = find_public_half(); !status.ok()) {
    return status;
  }
  // A trial tells a damaged key, whose halves do not belong together, at once.
  const Digest probe = Sha256::of("probe");
  const Result<SignatureOctets> trial = sign(probe);
  if (!trial.ok() || !verifies(probe, trial->view())) {
    return Error::of(ErrorCode::invalid, "is damaged: what it signs does not verify");
  }
  return {};
}

Status SigningKey::find_public_half() {
  std::string octets;
  if (algorithm_ == Algorithm::ed25519_sha256) {
    unsigned char bare[32];
    std::size_t size = sizeof bare;
    if (EVP_PKEY_get_raw_public_key(key_, bare, &size) == 1) {
      octets.assign(reinterpret_cast<const char*>(bare), size);
    }
  } else {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_, &der);
    if (size > 0) {
      octets.assign(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
      OPENSSL_free(der);
    }
  }
  ERR_clear_error();
  if (octets.empty()) {
    return Error::of(ErrorCode::invalid, "is damaged: it has no public half");
  }
  public_text_ = to_base64(octets);
  fingerprint_ = hash64(octets);
  return {};
}

Result<SignatureOctets> SigningKey::sign(const Digest& digest) const {
  SignatureOctets out;
  auto* room = reinterpret_cast<unsigned char*>(out.octets.data());
  out.size = out.octets.size();
  if (algorithm_ == Algorithm::rsa_sha256) {
    const ContextHandle context = signing_context(key_, false);
    if (context == nullptr ||
        EVP_PKEY_sign(context.get(), room, &out.size, digest.data(), digest.size()) != 1) {
      return crypto_failed();
    }
    return out;
  }
  const DigestHandle context(EVP_MD_CTX_new());
  if (context == nullptr ||
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_) != 1 ||
      EVP_DigestSign(context.get(), room, &out.size, digest.data(), digest.size()) != 1) {
    return crypto_failed();
  }
  return out;
}

bool SigningKey::verifies(const Digest& digest, std::string_view signature) const {
  int good = 0;
  if (algorithm_ == Algorithm::rsa_sha256) {
    const ContextHandle context = signing_context(key_, true);
    good = context == nullptr ? 0
                              : EVP_PKEY_verify(context.get(), octets_of(signature),
                                                signature.size(), digest.data(), digest.size());
  } else {
    const DigestHandle context(EVP_MD_CTX_new());
    good = context == nullptr ||
                   EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_) != 1
               ? 0
               : EVP_DigestVerify(context.get(), octets_of(signature), signature.size(),
                                  digest.data(), digest.size());
  }
  ERR_clear_error();
  return good == 1;
}

std::string SigningKey::record() const {
  return "v=DKIM1; k=" + std::string(key_type_of(algorithm_)) + "; p=" + public_text_;
}

std::string SigningKey::zone_line(std::string_view selector, std::string_view domain) const {
  constexpr std::size_t kStringMax = 255;
  const std::string text = record();
  std::string out(selector);
  out.append("._domainkey.").append(domain).append(". IN TXT (");
  for (std::size_t at = 0; at < text.size(); at += kStringMax) {
    out.append(" \"").append(text, at, kStringMax).append("\"");
  }
  return out + " )";
}

bool SigningKey::is_public_half(std::string_view octets) const {
  if (algorithm_ == Algorithm::ed25519_sha256) {
    return to_base64(octets) == public_text_;
  }
  const auto size = static_cast<long>(std::min<std::size_t>(octets.size(), LONG_MAX));
  const unsigned char* at = octets_of(octets);
  KeyHandle other(d2i_PUBKEY(nullptr, &at, size));
  if (other == nullptr) {
    at = octets_of(octets);
    other.reset(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, size));
  }
  ERR_clear_error();
  return other != nullptr && at == octets_of(octets) + octets.size() &&
         EVP_PKEY_eq(key_, other.get()) == 1;
}

}  // namespace ringpost::sign
