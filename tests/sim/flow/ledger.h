#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"

namespace ringpost::sim {

/// What the injector knows of a message it handed over.
enum class MailFate : std::uint8_t {
  unsent,
  under_way,
  accepted,  ///< the final dot was answered 250
  refused,   ///< answered 4xx or 5xx
  unknown,   ///< the connection ended before the answer
};

struct Mail {
  std::string from;
  std::vector<std::string> to;
  std::string content;   ///< as written, without dot-stuffing
  std::string expected;  ///< the wire form that must come out, after added header fields
  unsigned vmta = 0;
  MailFate fate = MailFate::unsent;
  std::vector<bool> taken;  ///< recipients answered 250
};

/// How a receiver's session ended; decides whether its replies may have been lost.
struct SessionFate {
  bool quit = false;    ///< the client said goodbye
  bool broken = false;  ///< dropped, reset, or closed without goodbye
};

/// Everything that was promised and everything that happened; says at the end what does not fit.
class Ledger {
 public:
  std::deque<Mail> mails;

  void complain(std::string text);
  const std::vector<std::string>& complaints() const { return complaints_; }

  /// The receiver took the message for this recipient.
  void delivered(std::string_view from, const std::string& to, Instant when,
                 const SessionFate* session, std::string_view content);
  /// The receiver refused this recipient for good.
  void rejected(const std::string& to) { ++rejections_[to]; }
  void crashed(Instant when, bool power_cut) { crashes_.push_back({when, power_cut}); }

  /// Holds the accounting file against all else.
  void reconcile(const std::string& accounting);

  std::size_t recipients_accepted = 0;
  std::size_t deliveries = 0;
  std::size_t second_deliveries = 0;
  std::size_t bounces = 0;
  std::size_t ambiguous_rows = 0;

 private:
  struct Delivery {
    Instant when;
    const SessionFate* session = nullptr;
  };
  struct Crash {
    Instant when;
    bool power_cut = false;
  };
  struct Row {
    std::string type;
    bool ambiguous = false;
  };

  std::string story(const std::vector<Delivery>& came) const;
  bool excused(const Delivery& delivery) const;
  void read_rows(const std::string& accounting);
  void check_recipient(const Mail& mail, std::size_t index);

  std::map<std::string, std::vector<Delivery>, std::less<>> deliveries_;
  std::map<std::string, unsigned> rejections_;
  std::map<std::string, std::vector<Row>> rows_;
  std::vector<Crash> crashes_;
  std::vector<std::string> complaints_;
};

/// Number of the message a reverse path or recipient of the simulation belongs to; -1: none.
std::int64_t mail_number(std::string_view address);

}  // namespace ringpost::sim
