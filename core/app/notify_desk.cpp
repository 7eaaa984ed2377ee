#include "core/app/notify_desk.h"

#include <algorithm>
#include <array>

#include "core/app/log.h"
#include "core/base/idn.h"
#include "core/base/mail_date.h"
#include "core/base/text.h"

namespace ringpost::app {
namespace {

constexpr Duration kNoticeGather = Duration::seconds(1);
constexpr Duration kNoticeGap = Duration::minutes(1);
constexpr Duration kNoticeRetry = Duration::seconds(5);
constexpr std::string_view kNoticeVmta = "{default}";
/// Lines of a mail are at most 998 octets (RFC 5322 section 2.1.1).
constexpr std::size_t kNoticeLineMax = 900;

std::string date_of(WallTime when) {
  std::array<char, kMailDateBytes> room;
  TextBuilder text(room);
  write_mail_date(when, text);
  return std::string(text.view());
}

/// What hosts said stands in it: no line ends, ASCII only.
std::string on_one_line(std::string_view text) {
  std::string line(text.substr(0, kNoticeLineMax));
  for (char& c : line) {
    const auto octet = static_cast<unsigned char>(c);
    c = octet < 0x20 || octet >= 0x7f ? '?' : c;
  }
  return line;
}

std::string subject_of(const schedule::Decision& decision, bool begun) {
  const std::string queue = decision.name + "/" + decision.vmta;
  if (decision.kind == schedule::Decision::Kind::backoff) {
    return queue + (begun ? " is in back-off mode" : " is back to normal");
  }
  return queue + (begun ? " does not use " : " uses again ") + decision.source.text();
}

}  // namespace

NotifyDesk::NotifyDesk(Loop& loop, PolicyBook& policies, unsigned place)
    : loop_(loop), policies_(policies), place_(place) {
  commit_.bind<&NotifyDesk::on_committed>(this);
  timer_.bind<&NotifyDesk::on_due>(this);
}

NotifyDesk::~NotifyDesk() { loop_.timers().disarm(timer_); }

void NotifyDesk::tell(const schedule::Decision& decision, bool begun, std::string_view text) {
  const Now now = loop_.now();
  for (const std::string_view address : policies_.told_of(decision)) {
    auto found = readers_.find(address);
    if (found == readers_.end()) {
      if (readers_.size() >= kReadersMax) {
        std::erase_if(readers_, [&](const auto& entry) {
          return entry.second.due == Instant::never() && entry.second.next <= now.instant;
        });
      }
      if (readers_.size() >= kReadersMax) {
        ++lost_;
        continue;
      }
      found = readers_.try_emplace(std::string(address)).first;
    }
    Reader& reader = found->second;
    if (reader.due == Instant::never()) {
      ++waiting_;
      reader.due = std::max(now.instant + kNoticeGather, reader.next);
      reader.subject = subject_of(decision, begun);
    }
    if (reader.lines.size() < kLinesMax) {
      reader.lines.push_back(date_of(now.wall) + "  " + on_one_line(text));
    } else {
      ++reader.more;
    }
  }
}

void NotifyDesk::drain() {
  draining_ = true;
  for (auto& [address, reader] : readers_) {
    if (reader.due != Instant::never()) {
      reader.due = loop_.now().instant;
    }
  }
}

bool NotifyDesk::end_of_turn(Now now) {
  if (waiting_ == 0 || committing_) {
    return false;
  }
  Instant next = Instant::never();
  for (auto& [address, reader] : readers_) {
    if (reader.due > now.instant) {
      next = std::min(next, reader.due);
      continue;
    }
    if (write(address, reader, now)) {
      return false;  // the rest when it is durable
    }
    if (draining_) {
      lost_ += reader.lines.size() + reader.more;
      log_warning("no room for the mail to " + address + " on the modes of queues");
      forget(reader, reader.lines.size(), reader.more);
    } else {
      reader.due = now.instant + kNoticeRetry;
      next = std::min(next, reader.due);
    }
  }
  if (next != Instant::never()) {
    loop_.timers().arm(timer_, next);
  }
  return false;
}

ContentInfo NotifyDesk::compose(const std::string& address, const Reader& reader, Now now) {
  const config::GlobalSettings& global = policies_.snapshot().global();
  const std::string host(global.host_names.front());
  const std::size_t changes = reader.lines.size() + reader.more;
  text_.clear();
  const auto line = [this](std::string_view a, std::string_view b = {}, std::string_view c = {}) {
    text_.append(a).append(b).append(c).append("\r\n");
  };
  line("Date: ", date_of(now.wall));
  line("From: Mail Delivery System <MAILER-DAEMON@", host, ">");
  line("To: <", address, ">");
  line("Subject: ", on_one_line(reader.subject).substr(0, 200),
       changes > 1 ? " (and " + std::to_string(changes - 1) + " changes more)" : std::string());
  line("Message-ID: <notify." + std::to_string(now.wall.us) + "." + std::to_string(place_) + "." +
           std::to_string(++serial_) + "@",
       host, ">");
  line("Auto-Submitted: auto-generated");
  line("MIME-Version: 1.0");
  line("Content-Type: text/plain; charset=us-ascii");
  line({});
  ContentInfo info;
  info.header_bytes = static_cast<std::uint32_t>(text_.size());
  line("The mail system of ", host, " reports on its queues:");
  line({});
  for (const std::string& one : reader.lines) {
    line(one);
  }
  if (reader.more > 0) {
    line("and " + std::to_string(reader.more) + " changes more; `ringpost automation list` has ",
         "what holds now.");
  }
  line(".");
  info.wire_bytes = static_cast<std::uint32_t>(text_.size());
  info.size = info.wire_bytes - 3;
  info.eight_bit = !is_ascii(text_);
  return info;
}

bool NotifyDesk::write(const std::string& address, Reader& reader, Now now) {
  Submission submission;
  submission.content = compose(address, reader, now);
  auto writer = spool_->begin_report(text_.size());
  if (!writer) {
    return false;
  }
  if (!(*writer)->append(text_)) {
    (*writer)->abandon();
    return false;
  }
  Recipient to;
  to.address = address;
  const ByteRange all{0, submission.content.wire_bytes};
  submission.envelope.recipients = {&to, 1};
  submission.envelope.vmta = kNoticeVmta;
  submission.envelope.received = now.wall;
  submission.envelope.smtputf8 = !is_ascii(address);
  if (submission.content.eight_bit) {
    submission.envelope.body = BodyType::eight_bit_mime;
  }
  submission.edits.kept = {&all, 1};
  committing_ = true;
  under_way_ = address;
  lines_told_ = reader.lines.size();
  more_told_ = reader.more;
  (*writer)->commit(submission, commit_);
  return true;
}

void NotifyDesk::forget(Reader& reader, std::size_t lines, std::uint64_t more) {
  reader.lines.erase(reader.lines.begin(),
                     reader.lines.begin() + static_cast<std::ptrdiff_t>(lines));
  reader.more -= more;
  if (reader.lines.empty() && reader.more == 0) {
    reader.due = Instant::never();
    --waiting_;
  } else {
    const Instant now = loop_.now().instant;
    reader.due = draining_ ? now : std::max(now + kNoticeGather, reader.next);
  }
}

void NotifyDesk::on_committed(Completion&) {
  committing_ = false;
  Reader& reader = readers_.find(under_way_)->second;
  const Now now = loop_.now();
  if (commit_.result == 0) {
    ++sent_;
    reader.next = now.instant + kNoticeGap;
    forget(reader, lines_told_, more_told_);
  } else if (draining_) {
    lost_ += reader.lines.size() + reader.more;
    forget(reader, reader.lines.size(), reader.more);
  } else {
    reader.due = now.instant + kNoticeRetry;
  }
}

}  // namespace ringpost::app
