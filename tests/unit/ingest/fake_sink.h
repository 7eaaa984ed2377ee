#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/base/assert.h"
#include "core/mail/doors.h"
#include "tests/sim/world/sim_world.h"

namespace ringpost::ingest {

/// One recipient as stored.
struct StoredRecipient {
  std::string address;
  std::string original;
  std::uint8_t notify = 0;
  std::string vmta;
};

/// A message a fake sink was told to commit, everything copied.
struct StoredMessage {
  std::string reverse_path;
  std::vector<StoredRecipient> recipients;
  std::string envelope_id;
  std::string vmta;
  std::string job;
  std::string helo;
  std::string user;
  IpAddress origin;
  WallTime received;
  DsnReturn ret = DsnReturn::unspecified;
  BodyType body = BodyType::unspecified;
  bool smtputf8 = false;
  ContentInfo info;
  SigningFacts signing;  ///< but for the options
  std::string signing_options;
  std::string content;
  std::string prefix;
  std::string sent;  ///< prefix and kept ranges: what would leave

  std::string addresses() const {
    std::string out;
    for (const StoredRecipient& recipient : recipients) {
      out += (out.empty() ? "" : " ") + recipient.address;
    }
    return out;
  }
};

/// A spool in memory that is slow and fails as a test wants. Checks how it is used.
class FakeSink : public MessageSink {
 public:
  FakeSink(sim::SimWorld& world, sim::SimDriver& driver) : world_(world), driver_(driver) {}

  Result<MessageWriter*> begin(std::uint64_t declared_bytes) override {
    declared.push_back(declared_bytes);
    if (begin_error != ErrorCode::none) {
      return Error::of(begin_error);
    }
    writers_.push_back(std::make_unique<Writer>(*this));
    ++open_writers;
    return writers_.back().get();
  }

  ErrorCode begin_error = ErrorCode::none;
  ErrorCode append_error = ErrorCode::none;
  std::size_t append_error_at = 0;  ///< content bytes from which append fails
  std::int32_t commit_result = 0;
  Duration commit_time = Duration::milliseconds(1);
  std::size_t room_bytes = 0;  ///< > 0: after that many bytes room is out for room_time
  Duration room_time = Duration::milliseconds(10);
  std::vector<StoredMessage> stored;  ///< durable ones
  std::vector<std::uint64_t> declared;
  int open_writers = 0;
  int abandoned = 0;
  int waits = 0;

 private:
  class Writer : public MessageWriter {
   public:
    explicit Writer(FakeSink& sink) : sink_(sink) {}

    Status append(std::string_view run) override {
      RP_ASSERT(open_ && !failed_ && !run.empty());
      if (sink_.append_error != ErrorCode::none &&
          content_.size() + run.size() > sink_.append_error_at) {
        failed_ = true;
        return Error::of(sink_.append_error);
      }
      content_ += run;
      since_room_ += run.size();
      return {};
    }

    bool has_room(Completion& when_room) override {
      RP_ASSERT(open_ && !failed_ && waiter_ == nullptr);
      if (sink_.room_bytes == 0 || since_room_ < sink_.room_bytes) {
        return true;
      }
      ++sink_.waits;
      waiter_ = &when_room;
      sink_.world_.after(sink_.room_time, [this] {
        since_room_ = 0;
        if (waiter_ != nullptr) {
          waiter_->start();
          sink_.driver_.finish(*waiter_, 0);
          waiter_ = nullptr;
        }
      });
      return false;
    }

    void commit(const Submission& submission, CommitOp& op) override {
      RP_ASSERT(open_ && !failed_ && waiter_ == nullptr);
      open_ = false;
      op.start();
      StoredMessage message = sink_.copy(submission, content_);
      sink_.world_.after(sink_.commit_time, [this, &op, message = std::move(message)] {
        --sink_.open_writers;
        if (sink_.commit_result == 0) {
          sink_.stored.push_back(message);
          op.id = {1, sink_.stored.size()};
        }
        sink_.driver_.finish(op, sink_.commit_result);
      });
    }

    void abandon() override {
      RP_ASSERT(open_);
      open_ = false;
      waiter_ = nullptr;
      ++sink_.abandoned;
      --sink_.open_writers;
    }

   private:
    FakeSink& sink_;
    std::string content_;
    std::size_t since_room_ = 0;
    Completion* waiter_ = nullptr;
    bool open_ = true;
    bool failed_ = false;
  };

  StoredMessage copy(const Submission& submission, const std::string& content) {
    const Envelope& e = submission.envelope;
    RP_ASSERT(content.size() == submission.content.wire_bytes && !e.vmta.empty());
    StoredMessage m;
    m.reverse_path = e.reverse_path;
    for (const Recipient& recipient : e.recipients) {
      m.recipients.push_back({std::string(recipient.address), std::string(recipient.original),
                              recipient.notify, std::string(recipient.vmta)});
    }
    m.envelope_id = e.envelope_id;
    m.vmta = e.vmta;
    m.job = e.job;
    m.helo = e.helo;
    m.user = e.user;
    m.origin = e.origin;
    m.received = e.received;
    m.ret = e.dsn_return;
    m.body = e.body;
    m.smtputf8 = e.smtputf8;
    m.info = submission.content;
    m.signing = submission.signing;
    m.signing.options = {};
    m.signing_options = submission.signing.options;
    m.content = content;
    m.prefix = submission.edits.prefix;
    m.sent = m.prefix;
    RP_ASSERT(!submission.edits.kept.empty());
    RP_ASSERT(submission.edits.kept.back().end == content.size());
    for (const ByteRange& range : submission.edits.kept) {
      m.sent += content.substr(range.begin, range.size());
    }
    return m;
  }

  sim::SimWorld& world_;
  sim::SimDriver& driver_;
  std::vector<std::unique_ptr<Writer>> writers_;
};

}  // namespace ringpost::ingest
