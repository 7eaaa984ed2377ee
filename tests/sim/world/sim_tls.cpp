#include "tests/sim/world/sim_tls.h"

#include <algorithm>
#include <vector>

#include "core/base/text.h"

namespace ringpost::sim {
namespace {

class SimContext final : public TlsContext {
 public:
  TlsVersion version = TlsVersion::v1_3;
  std::vector<std::string> certificates;  ///< of a server
};

TlsVersion highest(const TlsProtocol& protocol) {
  return protocol.v1_3   ? TlsVersion::v1_3
         : protocol.v1_2 ? TlsVersion::v1_2
         : protocol.v1_1 ? TlsVersion::v1_1
                         : TlsVersion::v1_0;
}

enum Record : char { kHello = 1, kAnswer = 2, kFinished = 3, kData = 0x17, kEnd = 0x15 };

class SimEngine final : public TlsEngine {
 public:
  explicit SimEngine(const SecureOp& op)
      : context_(op.context), host_name_(op.host_name), check_(op.check), server_(op.server) {}

  void give(std::string_view encrypted) override { given_ = encrypted; }
  bool needs_bytes() const override { return given_.empty(); }
  bool ended() const override { return ended_ || broken_; }
  bool broken() const override { return broken_; }
  std::vector<char>& output() override { return output_; }

  Step handshake(SecureOp& op) override {
    const auto& mine = static_cast<const SimContext&>(*context_);
    if (!server_ && !started_) {
      started_ = true;
      put(kHello, static_cast<char>(mine.version) + host_name_);
    }
    while (next_record()) {
      if (type_ == kHello && server_) {
        answer(mine);
      } else if (type_ == kAnswer && !server_ && !body_.empty()) {
        return finish(op, mine);
      } else if (type_ == kFinished && server_) {
        op.facts.version = version_;
        op.facts.cipher = "SIM";
        return Step::done;
      } else {
        return fail(op, TlsFailure::validation_failure, "wrong version number");
      }
    }
    return broken_ ? fail(op, TlsFailure::validation_failure, "wrong version number")
                   : Step::wants_bytes;
  }

  std::size_t read(std::span<char> out) override {
    while (plain_.empty() && !ended() && next_record()) {
      ended_ = type_ == kEnd;
      broken_ = type_ != kEnd && type_ != kData;
      if (type_ == kData) {
        plain_ = body_;
        turn(plain_);
      }
    }
    const std::size_t size = std::min(out.size(), plain_.size());
    std::copy_n(plain_.begin(), size, out.begin());
    plain_.erase(0, size);
    return size;
  }

  bool write(std::string_view plain) override {
    std::string body(plain);
    turn(body);
    put(kData, body);
    return !broken_;
  }
  void end() override { put(kEnd, ""); }

 private:
  void put(Record type, const std::string& body) {
    output_.push_back(type);
    output_.push_back(static_cast<char>(body.size() >> 8));
    output_.push_back(static_cast<char>(body.size() & 0xff));
    output_.insert(output_.end(), body.begin(), body.end());
  }
  void turn(std::string& text) const {
    for (char& c : text) {
      c = static_cast<char>(c ^ 0x5a);
    }
  }
  bool next_record() {
    partial_.append(given_);
    given_ = {};
    if (partial_.empty()) {
      return false;
    }
    const char type = partial_[0];
    broken_ = broken_ || !((type >= kHello && type <= kFinished) || type == kEnd || type == kData);
    if (broken_ || partial_.size() < 3) {
      return false;
    }
    const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(partial_[1]))
                                 << 8 |
                             static_cast<unsigned char>(partial_[2]);
    if (partial_.size() < 3 + size) {
      return false;
    }
    type_ = static_cast<Record>(type);
    body_ = partial_.substr(3, size);
    partial_.erase(0, 3 + size);
    return true;
  }
  void answer(const SimContext& mine) {
    const std::string name = body_.substr(1);
    version_ = std::min(static_cast<TlsVersion>(body_[0]), mine.version);
    const std::string* shown = &mine.certificates.front();
    for (const std::string& one : mine.certificates) {
      if (one.substr(one.find(':') + 1) == name) {
        shown = &one;
        break;
      }
    }
    if (shown->rfind("broken:", 0) == 0) {
      output_.insert(output_.end(), {'5', '0', '0', '\r', '\n'});
    } else if (shown->rfind("stalled:", 0) != 0) {
      put(kAnswer, static_cast<char>(version_) + *shown);
    }
  }
  Step finish(SecureOp& op, const SimContext&) {
    const std::string certificate = body_.substr(1);
    const std::size_t colon = certificate.find(':');
    const std::string kind = certificate.substr(0, colon);
    if (check_ == TlsCheck::dane &&
        std::none_of(op.tlsa.begin(), op.tlsa.end(),
                     [&](const TlsaRecord& one) { return one.data == certificate; })) {
      return fail(op, TlsFailure::validation_failure, "no TLSA record matches");
    }
    if (check_ == TlsCheck::certificate) {
      const TlsFailure failure = kind == "expired" ? TlsFailure::certificate_expired
                                 : kind != "good"  ? TlsFailure::certificate_not_trusted
                                 : certificate.substr(colon + 1) != host_name_
                                     ? TlsFailure::certificate_host_mismatch
                                     : TlsFailure::none;
      if (failure != TlsFailure::none && !op.advisory) {
        return fail(op, failure, name_of(failure));
      }
      op.failure = failure;
    }
    put(kFinished, "");
    op.facts.version = static_cast<TlsVersion>(body_[0]);
    op.facts.cipher = "SIM";
    op.facts.verified = check_ != TlsCheck::none && op.failure == TlsFailure::none;
    return Step::done;
  }
  Step fail(SecureOp& op, TlsFailure failure, std::string_view words) {
    broken_ = true;
    op.failure = failure;
    TextBuilder text(op.error);
    op.error_size = static_cast<std::uint8_t>(text.add(words).size());
    put(kEnd, "");
    return Step::failed;
  }

  TlsContextRef context_;
  std::string host_name_;
  TlsCheck check_;
  bool server_;
  TlsVersion version_ = TlsVersion::none;
  bool started_ = false;
  bool ended_ = false;
  bool broken_ = false;
  std::string_view given_;
  std::string partial_;
  std::string plain_;
  std::string body_;
  Record type_ = kHello;
  std::vector<char> output_;
};

}  // namespace

Result<TlsContextRef> SimTls::client_context(const TlsClientSettings& settings) {
  auto context = std::make_shared<SimContext>();
  context->version = highest(settings.protocol);
  return TlsContextRef(std::move(context));
}

Result<TlsContextRef> SimTls::server_context(const TlsServerSettings& settings) {
  auto context = std::make_shared<SimContext>();
  context->version = highest(settings.protocol);
  for (const TlsCertificate& certificate : settings.certificates) {
    context->certificates.push_back(certificate.file);
  }
  return TlsContextRef(std::move(context));
}

std::unique_ptr<TlsEngine> SimTls::make(const SecureOp& op) {
  return std::make_unique<SimEngine>(op);
}

TlsContextRef SimTls::server(const std::string& certificate) {
  TlsServerSettings settings;
  settings.certificates.push_back({certificate, ""});
  return *server_context(settings);
}

}  // namespace ringpost::sim
