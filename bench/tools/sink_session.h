#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/tools/content.h"
#include "bench/tools/sink_options.h"

namespace ringpost::tools {

class SinkSession;

/// What a session asks of the thread that runs it.
class SinkHost {
 public:
  virtual ~SinkHost() = default;
  virtual const SinkOptions& options() const = 0;
  /// Whether this attempt at `recipient` is to be answered 451 (greylisting).
  virtual bool defers(std::string_view recipient) = 0;
  /// True in `percent` of the calls.
  virtual bool chance(unsigned percent) = 0;
  /// A message is about to be answered 250; the record is written before the answer leaves.
  virtual void accepted(const SinkSession& session) = 0;
  virtual void rejected(bool temporary) = 0;
  virtual void dropped() = 0;
};

/// One SMTP conversation, receiving side: bytes in, replies out, no I/O. Follows RFC 5321 and the
/// extensions it advertises closely enough to be an honest peer, without checking syntax it has no
/// use for.
class SinkSession {
 public:
  explicit SinkSession(SinkHost& host) : host_(host) {}

  /// The banner, or 421 and close() if `refuse`.
  void greet(bool refuse);
  /// Takes received bytes; replies gather in replies().
  void receive(std::string_view bytes);

  /// Replies not yet taken, in order.
  std::string& replies() { return replies_; }
  /// Replies gathered since the last call end with the answer to a message.
  bool take_final_reply() { return std::exchange(final_reply_, false); }
  /// STARTTLS was answered since the last call: what follows is TLS.
  bool take_starttls() { return std::exchange(starttls_, false); }
  /// Nothing more is read; close when the replies are out.
  bool closing() const { return closing_; }
  /// Close at once, sending nothing.
  bool abort() const { return abort_; }

  // The message being accepted, for SinkHost::accepted.
  const ContentDigest& digest() const { return digest_; }
  std::size_t recipient_count() const { return recipients_.size(); }
  const std::vector<std::string>& recipients() const { return recipients_; }
  const std::string& sender() const { return sender_; }
  /// Raw content, kept only with --maildir.
  const std::string& raw() const { return raw_; }

 private:
  enum class Mode : std::uint8_t { command, data, chunk, swallow };

  std::size_t take_line(std::string_view bytes);
  std::size_t take_data(std::string_view bytes);
  std::size_t take_chunk(std::string_view bytes);
  void on_command(std::string_view line);
  bool offers_tls() const;
  void on_ehlo();
  void on_mail(std::string_view line);
  void on_rcpt(std::string_view line);
  void on_data();
  void on_bdat(std::string_view line);
  void on_content(std::string_view piece);
  void on_message_end();
  void begin_content();
  void clear_envelope();
  void reply(std::string_view code, std::string_view enhanced, std::string_view text);

  SinkHost& host_;
  Mode mode_ = Mode::command;
  std::string line_;  // a command cut by the end of the received bytes
  std::string replies_;
  bool final_reply_ = false;
  bool starttls_ = false;
  bool secured_ = false;
  bool closing_ = false;
  bool abort_ = false;

  bool have_mail_ = false;
  bool in_bdat_ = false;
  bool chunk_last_ = false;
  std::uint64_t chunk_left_ = 0;
  std::string sender_;
  std::vector<std::string> recipients_;
  unsigned messages_ = 0;
  DotReader dots_;
  ContentDigest digest_;
  std::string raw_;
};

}  // namespace ringpost::tools
