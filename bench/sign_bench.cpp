// What DKIM costs: hashing a body in either canonical form while it comes in wire form, and the
// private operation. Run: sign_bench --benchmark_min_time=1

#include <cstdio>
#include <string>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "bench/counting.h"
#include "net/sign/body_hasher.h"
#include "net/sign/signing_key.h"

namespace ringpost::sign {
namespace {

std::string body(std::size_t bytes) {
  std::string text;
  for (std::size_t line = 0; text.size() + 80 < bytes; ++line) {
    text.append(line % 7 == 0 ? "two  blanks \t" : "plain");
    text.append(60, static_cast<char>('a' + line % 26));
    text += "\r\n";
  }
  return text + ".\r\n";
}

void BM_BodyHash(benchmark::State& state) {
  const std::string text = body(static_cast<std::size_t>(state.range(1)));
  bench::Allocations counted(state);
  for (auto _ : state) {
    BodyCanon hasher;
    hasher.start(state.range(0) == 0 ? Canon::simple : Canon::relaxed);
    hasher.feed(text);
    benchmark::DoNotOptimize(hasher.finish());
  }
  state.SetLabel(state.range(0) == 0 ? "simple" : "relaxed");
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(BM_BodyHash)
    ->Args({0, 4 << 10})
    ->Args({0, 64 << 10})
    ->Args({1, 4 << 10})
    ->Args({1, 64 << 10});

std::string fresh_pem(bool rsa) {
  EVP_PKEY* key = rsa ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048})
                      : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(out, &data));
  std::string pem(data, size);
  BIO_free(out);
  EVP_PKEY_free(key);
  return pem;
}

void BM_Sign(benchmark::State& state) {
  const auto key = SigningKey::from_pem(fresh_pem(state.range(0) == 0));
  if (!key) {
    state.SkipWithError("no key");
    return;
  }
  const Digest digest = Sha256::of("what a signature covers");
  bench::Allocations counted(state);
  for (auto _ : state) {
    const auto made = (*key)->sign(digest);
    benchmark::DoNotOptimize(made);
  }
  state.SetLabel(state.range(0) == 0 ? "RSA-2048" : "Ed25519");
}
BENCHMARK(BM_Sign)->Arg(0)->Arg(1);

}  // namespace
}  // namespace ringpost::sign

BENCHMARK_MAIN();
