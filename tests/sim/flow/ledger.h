#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
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
  std::vector<bool> taken;          ///< recipients answered 250
  std::vector<std::string> notify;  ///< NOTIFY of each; empty, or left out: not given
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
  /// An operator deleted the mail of this domain and virtual MTA.
  void cancelled(const std::string& domain, unsigned vmta) { cancelled_.insert({domain, vmta}); }
  /// Mail over this age may be given up.
  void set_life(Duration life) { life_ = life; }
  /// Recipients of this domain may be sent at most so often; for each virtual MTA.
  void set_rate(const std::string& domain, unsigned count, Duration period) {
    rates_[domain] = {count, period};
  }
  /// A recipient was named to a receiver then, in a session begun then.
  void named(const std::string& to, Instant session, Instant when);
  void life_begins(Instant now) { life_began_ = now; }
  void forget_rates() { rates_.clear(); }
  /// A life of the machine is over: the rates begin anew.
  void life_over();
  std::uint64_t named_total() const { return named_total_; }
  /// How many had been named before this one was for the first time, or in all.
  std::uint64_t named_before(const std::string& to) const {
    const auto found = first_named_.find(to);
    return found == first_named_.end() ? named_total_ : found->second;
  }
  void crashed(Instant when, bool power_cut) { crashes_.push_back({when, power_cut}); }

  /// Holds the accounting file against all else.
  void reconcile(const std::string& accounting);

  std::size_t recipients_accepted = 0;
  std::size_t deliveries = 0;
  std::size_t second_deliveries = 0;
  std::size_t bounces = 0;
  std::size_t expired = 0;
  std::size_t cancellations = 0;
  std::size_t ambiguous_rows = 0;
  std::size_t reports = 0;
  std::size_t queue_rows = 0;  ///< records of queues that were put off

 private:
  struct Delivery {
    Instant when;
    const SessionFate* session = nullptr;
  };
  struct Crash {
    Instant when;
    bool power_cut = false;
  };
  struct Rate {
    unsigned count = 0;
    Duration period;
  };
  struct Row {
    std::string type;
    std::string category;
    bool ambiguous = false;
    std::int64_t age_s = 0;  ///< from reception to its end
  };

  std::string story(const std::vector<Delivery>& came) const;
  bool excused(const Delivery& delivery) const;
  void read_rows(const std::string& accounting);
  void check_bounce(const Mail& mail, const std::string& to, const Row& row);
  void check_recipient(const Mail& mail, std::size_t index);
  void report_came(const std::string& to, Instant when, const SessionFate* session,
                   std::string_view content);
  void check_report(const Mail& mail, std::size_t index);

  std::map<std::string, std::vector<Delivery>, std::less<>> deliveries_;
  std::map<std::string, unsigned> rejections_;
  std::set<std::pair<std::string, unsigned>> cancelled_;
  std::map<std::string, Rate> rates_;
  std::map<std::pair<std::string, unsigned>, std::vector<Instant>> named_;
  std::uint64_t named_total_ = 0;
  std::unordered_map<std::string, std::uint64_t> first_named_;  ///< `named_total_` then
  Instant life_began_;
  Duration life_ = Duration::hours(48);
  std::map<std::string, std::vector<Row>> rows_;  ///< final records
  std::map<std::string, std::size_t> receipts_;   ///< records of received recipients
  std::set<std::string> names_;                   ///< log and sequence of each record
  bool receipts_shown_ = false;
  std::map<std::string, std::vector<Delivery>> reports_;  ///< by the recipient they are about
  std::vector<Crash> crashes_;
  std::vector<std::string> complaints_;
};

/// Number of the message a reverse path or recipient of the simulation belongs to; -1: none.
std::int64_t mail_number(std::string_view address);

}  // namespace ringpost::sim
