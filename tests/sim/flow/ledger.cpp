#include "tests/sim/flow/ledger.h"

#include <algorithm>
#include <charconv>
#include <ctime>

namespace ringpost::sim {
namespace {

constexpr std::size_t kComplaintsMax = 20;
/// After this long a receiver's reply has been written and synced, whatever the latencies.
constexpr Duration kSettleWindow = Duration::seconds(3);
/// What lies between a permit and the receiver's reading of the RCPT: the mark's sync, the way.
constexpr Duration kRateSlack = Duration::milliseconds(300);

std::string domain_of(std::string_view address) {
  return std::string(address.substr(address.find('@') + 1));
}

/// Seconds since 1970 of a cell "2027-01-15 08:00:00+0000".
std::int64_t seconds_of(const std::string& cell) {
  std::tm time{};
  if (::strptime(cell.c_str(), "%Y-%m-%d %H:%M:%S", &time) == nullptr) {
    return 0;
  }
  return ::timegm(&time);
}

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

}  // namespace

std::int64_t mail_number(std::string_view address) {
  if (address.size() < 2) {
    return -1;
  }
  std::int64_t number = -1;
  std::from_chars(address.data() + 1, address.data() + address.size(), number);
  return number;
}

void Ledger::complain(std::string text) {
  if (complaints_.size() < kComplaintsMax) {
    complaints_.push_back(std::move(text));
  }
}

void Ledger::delivered(std::string_view from, const std::string& to, Instant when,
                       const SessionFate* session, std::string_view content) {
  if (from.empty() && to.front() == 's') {
    report_came(to, when, session, content);
    return;
  }
  ++deliveries;
  const std::int64_t number = mail_number(to);
  if (number < 0 || static_cast<std::size_t>(number) >= mails.size() ||
      mails[static_cast<std::size_t>(number)].from != from) {
    complain("a message came that nobody sent, from " + std::string(from));
    return;
  }
  const Mail& mail = mails[static_cast<std::size_t>(number)];
  if (std::find(mail.to.begin(), mail.to.end(), to) == mail.to.end()) {
    complain("delivered to " + to + ", no recipient of message " + mail.from);
    return;
  }
  if (!content.ends_with(mail.expected)) {
    complain("the content for " + to + " was changed");
  } else {
    const std::string_view added = content.substr(0, content.size() - mail.expected.size());
    if (added.substr(0, 9) != "Received:" || added.find("\r\n\r\n") != std::string_view::npos) {
      complain("what stands before the content for " + to + " is not one header field");
    }
  }
  deliveries_[to].push_back({when, session});
}

/// A notification, to the sender of message number N at s N@inject.example.
void Ledger::report_came(const std::string& to, Instant when, const SessionFate* session,
                         std::string_view content) {
  ++reports;
  constexpr std::string_view kField = "\r\nFinal-Recipient: rfc822; ";
  const auto number = static_cast<std::size_t>(mail_number(to));
  if (number >= mails.size() || mails[number].from != to) {
    complain("a report came to " + to + ", who sent nothing");
    return;
  }
  for (std::size_t at = content.find(kField); at != std::string_view::npos;
       at = content.find(kField, at + 1)) {
    const std::size_t begin = at + kField.size();
    const std::string about(content.substr(begin, content.find("\r\n", begin) - begin));
    if (mail_number(about) != mail_number(to)) {
      complain("the report to " + to + " is about " + about);
    }
    reports_[about].push_back({when, session});
  }
}

void Ledger::named(const std::string& to, Instant session, Instant when) {
  first_named_.try_emplace(to, named_total_);
  ++named_total_;
  const std::string domain = domain_of(to);
  const auto number = static_cast<std::size_t>(mail_number(to));
  // What a dead machine's last segments say belongs to the life before.
  if (rates_.count(domain) != 0 && number < mails.size() && session >= life_began_) {
    named_[{domain, mails[number].vmta}].push_back(when);
  }
}

void Ledger::life_over() {
  for (auto& [queue, times] : named_) {
    const Rate& rate = rates_.at(queue.first);
    std::sort(times.begin(), times.end());
    for (std::size_t i = rate.count; i < times.size(); ++i) {
      const Duration span = times[i] - times[i - rate.count];
      if (span < rate.period - kRateSlack) {
        complain("RATE: " + std::to_string(rate.count + 1) + " recipients for " + queue.first +
                 " within " + std::to_string(span.whole_milliseconds()) + " ms, allowed " +
                 std::to_string(rate.count) + " in " + std::to_string(rate.period.whole_seconds()) +
                 " s");
        break;
      }
    }
  }
  named_.clear();
  life_began_ = Instant::never();
}

void Ledger::read_rows(const std::string& accounting) {
  std::map<std::string, std::size_t> columns;
  for (std::size_t at = 0; at < accounting.size();) {
    const std::size_t end = std::min(accounting.find("\r\n", at), accounting.size());
    const auto cells = cells_of(std::string_view(accounting).substr(at, end - at));
    at = end + 2;
    if (columns.empty()) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        columns[cells[i]] = i;
      }
      continue;
    }
    if (cells.size() != columns.size()) {
      complain("an accounting row has " + std::to_string(cells.size()) + " cells");
      continue;
    }
    const std::string name = cells[columns["logId"]] + " " + cells[columns["seq"]];
    if (!names_.insert(name).second) {
      complain("TWICE: the accounting row " + name);
    }
    Row row;
    row.type = cells[columns["type"]];
    receipts_shown_ = receipts_shown_ || row.type == "r";
    if (row.type == "r" || row.type == "tq") {
      receipts_[cells[columns["rcpt"]]] += row.type == "r" ? 1 : 0;
      queue_rows += row.type == "tq" ? 1 : 0;
      continue;
    }
    row.category = cells[columns["bounceCat"]];
    row.ambiguous = cells[columns["ambiguous"]] == "1";
    row.age_s = seconds_of(cells[columns["timeLogged"]]) - seconds_of(cells[columns["timeQueued"]]);
    ambiguous_rows += row.ambiguous ? 1 : 0;
    rows_[cells[columns["rcpt"]]].push_back(row);
  }
}

bool Ledger::excused(const Delivery& delivery) const {
  if (!delivery.session->quit || delivery.session->broken) {
    return true;
  }
  return std::any_of(crashes_.begin(), crashes_.end(), [&](const Crash& crash) {
    return crash.when >= delivery.when && crash.when <= delivery.when + kSettleWindow;
  });
}

/// When it came, and the crashes.
std::string Ledger::story(const std::vector<Delivery>& came) const {
  std::string text = "came at";
  for (const Delivery& delivery : came) {
    text += " " + std::to_string(delivery.when.ns / 1000) + (excused(delivery) ? "" : "!");
  }
  text += " us, crashes at";
  for (const Crash& crash : crashes_) {
    text += " " + std::to_string(crash.when.ns / 1000) + (crash.power_cut ? " (power)" : " (kill)");
  }
  return text;
}

void Ledger::check_bounce(const Mail& mail, const std::string& to, const Row& row) {
  if (row.category == "cancelled") {
    ++cancellations;
    if (cancelled_.count({domain_of(to), mail.vmta}) == 0) {
      complain("FALSE DELETION: nobody deleted " + to);
    }
  } else if (row.category == "message-expired") {
    ++expired;
    if (row.age_s + 1 < life_.whole_seconds()) {
      complain("FALSE EXPIRY: " + to + " ended after " + std::to_string(row.age_s) + " s");
    }
  } else {
    ++bounces;
    if (rejections_.find(to) == rejections_.end()) {
      complain("FALSE BOUNCE: " + to + " is recorded as bounced, nobody refused it");
    }
  }
}

void Ledger::check_recipient(const Mail& mail, std::size_t index) {
  const std::string& to = mail.to[index];
  const bool promised = mail.fate == MailFate::accepted && mail.taken[index];
  const auto& rows = rows_[to];
  const auto& came = deliveries_[to];
  recipients_accepted += promised ? 1 : 0;
  if (promised && rows.empty()) {
    complain("LOST: " + to + " was accepted and has no final record, deliveries " +
             std::to_string(came.size()));
  }
  if (rows.size() > 1) {
    complain("SEVERAL ENDINGS: " + to + " has " + std::to_string(rows.size()) + " final records");
  }
  if (receipts_shown_ && receipts_[to] != rows.size()) {
    complain("RECEIPTS: " + to + " has " + std::to_string(receipts_[to]) + " and " +
             std::to_string(rows.size()) + " final records");
  }
  if (mail.fate == MailFate::accepted && !mail.taken[index] && !(rows.empty() && came.empty())) {
    complain(to + " was refused at RCPT and yet delivered or recorded");
  }
  if (!rows.empty() && rows[0].type == "d" && came.empty()) {
    complain("FALSE DELIVERY: " + to + " is recorded as delivered, nothing came");
  }
  if (!rows.empty() && rows[0].type == "b") {
    check_bounce(mail, to, rows[0]);
  }
  if (rows.empty() && !came.empty() && promised) {
    complain("UNRECORDED: " + to + " was delivered without a record");
  }
  for (std::size_t i = 0; i + 1 < came.size(); ++i) {
    ++second_deliveries;
    if (!excused(came[i])) {
      complain("DUPLICATE: " + to + " came " + std::to_string(came.size()) + " times, delivery " +
               std::to_string(i) + " at " + std::to_string(came[i].when.ns / 1'000'000) +
               " ms was in no way ambiguous");
    }
  }
  if (came.size() > 1 && !rows.empty() && !rows[0].ambiguous) {
    complain("UNMARKED: " + to + " came " + std::to_string(came.size()) +
             " times, its record does not say ambiguous; " + story(came));
  }
}

/// Exactly one report where NOTIFY and the ending ask for one, and none else. A report may end
/// itself (its row), and a crash may repeat it.
void Ledger::check_report(const Mail& mail, std::size_t index) {
  const std::string& to = mail.to[index];
  const std::string notify = index < mail.notify.size() ? mail.notify[index] : "";
  const auto& rows = rows_[to];
  bool wanted = false;
  if (!mail.from.empty() && rows.size() == 1) {
    wanted = rows[0].type == "d"
                 ? notify == "SUCCESS"
                 : rows[0].category != "cancelled" && (notify.empty() || notify == "FAILURE");
  }
  const auto& came = reports_[to];
  if (!wanted && !came.empty()) {
    complain("UNWANTED REPORT: on " + to + " (" + notify + ") to <" + mail.from + ">");
  }
  const auto& report_rows = rows_[mail.from];
  const bool ended = std::any_of(report_rows.begin(), report_rows.end(),
                                 [](const Row& row) { return row.type == "b"; });
  if (wanted && came.empty() && !ended) {
    complain("UNREPORTED: the ending of " + to + " to " + mail.from);
  }
  for (std::size_t i = 0; i + 1 < came.size(); ++i) {
    if (crashes_.empty() && !excused(came[i])) {
      complain("REPEATED REPORT: on " + to + " to " + mail.from);
    }
  }
}

void Ledger::reconcile(const std::string& accounting) {
  read_rows(accounting);
  for (const Mail& mail : mails) {
    for (std::size_t i = 0; i < mail.to.size(); ++i) {
      check_recipient(mail, i);
      check_report(mail, i);
    }
  }
}

}  // namespace ringpost::sim
