// What a session tells those who want to know: the event log, and operators who watch.

#include <array>

#include "core/base/text.h"
#include "net/deliver/session.h"

namespace ringpost::deliver {
namespace {

constexpr std::string_view kAuth = "AUTH ";
constexpr std::string_view kHidden = "(not shown)";

}  // namespace

EventSubject DeliverySession::subject() const {
  EventSubject subject;
  subject.session = interest_.session;
  subject.queue = destination_;
  subject.vmta = policy_->vmta;
  if (candidate_ != nullptr && route_ != nullptr) {
    subject.host = route_->hosts[candidate_->host].name;
    subject.remote = candidate_->remote;
  }
  return subject;
}

bool DeliverySession::told(EventKind kind) noexcept {
  if (context_.events == nullptr) {
    return false;
  }
  if (context_.events->outdated(interest_)) {
    context_.events->look(subject(), interest_);
  }
  return interest_.wants(kind);
}

void DeliverySession::begin_events() {
  if (context_.events != nullptr) {
    interest_ = context_.events->begin(policy_->events);
  }
}

void DeliverySession::look_for_watchers() noexcept {
  if (context_.events != nullptr) {
    context_.events->look(subject(), interest_);
  }
}

void DeliverySession::tell(EventKind kind, EventSpeaker speaker, std::string_view line) {
  context_.events->tell(subject(), interest_, kind, speaker, line);
}

void DeliverySession::tell_route() {
  if (!told(EventKind::resolution)) {
    return;
  }
  std::array<char, 512> room;
  if (query_.route == nullptr) {
    TextBuilder text(room);
    text.add("no route: ").add(query_.failure_text);
    return tell(EventKind::resolution, EventSpeaker::bad, text.view());
  }
  for (const RouteHost& host : query_.route->hosts) {
    TextBuilder text(room);
    text.add("host ").add(host.name).add(" preference ").add_number(host.preference).add(":");
    for (const IpAddress& address : host.addresses) {
      text.add(' ').add(address.text());
    }
    tell(EventKind::resolution, EventSpeaker::note, text.view());
  }
}

void DeliverySession::tell_connection(std::string_view words, std::string_view detail, bool bad) {
  if (!told(EventKind::connection)) {
    return;
  }
  std::array<char, 512> room;
  TextBuilder text(room);
  text.add(words).add(detail);
  tell(EventKind::connection, bad ? EventSpeaker::bad : EventSpeaker::note, text.view());
}

// Commands leave in groups; what proves who we are is not told.
void DeliverySession::tell_commands(std::string_view bytes) {
  if (!told(EventKind::command)) {
    return;
  }
  const bool secret = engine_.state() == smtp::ClientState::awaiting_auth;
  for_each_line(bytes, [&](std::string_view line) {
    std::array<char, 64> room;
    TextBuilder text(room);
    if (secret) {
      const bool begins = line.substr(0, kAuth.size()) == kAuth;
      const std::size_t end = begins ? line.find(' ', kAuth.size()) : 0;
      text.add(line.substr(0, end));
      if (end != line.npos) {
        text.add(text.size() > 0 ? " " : "").add(kHidden);
      }
      line = text.view();
    }
    tell(EventKind::command, EventSpeaker::us, line);
  });
}

// Of replies within AUTH only the code: a server may repeat what it was told.
void DeliverySession::tell_reply(std::string_view bytes, bool secret) {
  if (!told(EventKind::command)) {
    return;
  }
  for_each_line(bytes, [&](std::string_view line) {
    std::array<char, 64> room;
    TextBuilder text(room);
    if (secret) {
      text.add(line.substr(0, 4)).add(line.size() > 4 ? kHidden : "");
      line = text.view();
    }
    tell(EventKind::command, EventSpeaker::peer, line);
  });
}

// The view was read when the message was opened, so these octets are in memory.
void DeliverySession::tell_content(const Job& job) {
  if (!told(EventKind::content)) {
    return;
  }
  std::uint64_t left = kContentTold;
  std::uint64_t untold = 0;
  const auto part = [&](std::string_view bytes) {
    const std::string_view now = bytes.substr(0, left);
    left -= now.size();
    untold += bytes.size() - now.size();
    for_each_line(now,
                  [&](std::string_view line) { tell(EventKind::content, EventSpeaker::us, line); });
  };
  part(job.signature);
  part(job.view.prefix);
  for (const ByteRange& range : job.view.kept) {
    part(job.view.body.substr(range.begin, range.size()));
  }
  if (untold > 0) {
    std::array<char, 64> room;
    TextBuilder text(room);
    text.add("(").add_number(untold).add(" more octets)");
    tell(EventKind::content, EventSpeaker::note, text.view());
  }
}

void DeliverySession::tell_tls() {
  if (!told(EventKind::tls)) {
    return;
  }
  std::array<char, 384> room;
  TextBuilder text(room);
  const bool bad = secure_.result < 0;
  if (bad) {
    text.add("handshake failed: ").add(secure_.error_text());
  } else {
    text.add(name_of(secure_.facts.version)).add(" ").add(secure_.facts.cipher);
    text.add(secure_.facts.verified ? ", certificate verified" : ", certificate not verified");
    text.add(secure_.facts.resumed ? ", resumed" : "");
  }
  tell(EventKind::tls, bad ? EventSpeaker::bad : EventSpeaker::note, text.view());
}

void DeliverySession::tell_failures(const Job& job) {
  if (!told(EventKind::failure)) {
    return;
  }
  for (const JobRecipient& recipient : job.recipients) {
    const Outcome& outcome = recipient.outcome;
    if (outcome.kind != OutcomeKind::deferred && outcome.kind != OutcomeKind::bounced) {
      continue;
    }
    std::array<char, 1024> room;
    TextBuilder text(room);
    text.add(name_of(outcome.kind)).add(" <");
    text.add(job.view.envelope.recipients[recipient.index].address).add("> at ");
    text.add(name_of(outcome.phase)).add(": ");
    if (outcome.reply_code != 0) {
      text.add_number(outcome.reply_code).add(' ');
    }
    text.add(job.text_of(outcome.text));
    tell(EventKind::failure, EventSpeaker::bad, text.view());
  }
}

void DeliverySession::tell_end() {
  if (end_ == SessionEnd::normal || failed_at_.text.empty() || !told(EventKind::failure)) {
    return;
  }
  std::array<char, kOutcomeTextMax + 64> room;
  TextBuilder text(room);
  text.add("no transfer, at ").add(name_of(failure_.phase)).add(": ");
  if (failure_.reply_code != 0) {
    text.add_number(failure_.reply_code).add(' ');
  }
  text.add(failed_at_.text);
  tell(EventKind::failure, EventSpeaker::bad, text.view());
}

}  // namespace ringpost::deliver
