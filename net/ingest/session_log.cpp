#include <array>

#include "core/base/text.h"
#include "net/ingest/session.h"

// What a session tells those who want to know: the event log, and operators who watch.

namespace ringpost::ingest {

EventSubject IngestSession::subject() const {
  EventSubject subject;
  subject.session = interest_.session;
  subject.incoming = true;
  subject.host = {helo_.data(), helo_bytes_};
  subject.remote = peer_;
  return subject;
}

void IngestSession::begin_events() {
  output_told_ = 0;
  if (shard_.events != nullptr) {
    interest_ = shard_.events->begin(policy_->events);
  }
}

bool IngestSession::told(EventKind kind) {
  if (shard_.events == nullptr) {
    return false;
  }
  if (shard_.events->outdated(interest_)) {
    shard_.events->look(subject(), interest_);
    profile_.told = interest_.wants(EventKind::command);
  }
  return interest_.wants(kind);
}

// Under the rules of another source, or for a client whose address a proxy conveyed.
void IngestSession::look_for_watchers() {
  if (shard_.events != nullptr) {
    interest_.logged = policy_->events;
    shard_.events->look(subject(), interest_);
    profile_.told = interest_.wants(EventKind::command);
  }
}

void IngestSession::tell(EventKind kind, EventSpeaker speaker, std::string_view line) {
  shard_.events->tell(subject(), interest_, kind, speaker, line);
}

void IngestSession::tell_connected() {
  if (told(EventKind::connection)) {
    std::array<char, 160> room;
    TextBuilder text(room);
    text.add("connected to ").add(local_.text());
    if (peer_ != connected_from_) {
      text.add(" through ").add(connected_from_.text());
    }
    tell(EventKind::connection, EventSpeaker::note, text.view());
  }
}

void IngestSession::on_command_line(std::string_view line) {
  if (told(EventKind::command)) {
    tell(EventKind::command, EventSpeaker::peer, line);
  }
}

// What leaves now and did not before.
void IngestSession::tell_replies() {
  const std::string_view output = engine_.output();
  if (output_told_ < output.size() && told(EventKind::command)) {
    for_each_line(output.substr(output_told_), [this](std::string_view line) {
      tell(EventKind::command, EventSpeaker::us, line);
    });
  }
  output_told_ = static_cast<std::uint32_t>(output.size());
}

void IngestSession::tell_content(std::string_view run) {
  if (!told(EventKind::content)) {
    return;
  }
  const std::uint64_t left = kContentTold - std::min(content_told_, kContentTold);
  for_each_line(run.substr(0, left), [this](std::string_view line) {
    tell(EventKind::content, EventSpeaker::peer, line);
  });
  content_told_ += run.size();
}

void IngestSession::tell_content_end() {
  if (content_told_ > kContentTold && told(EventKind::content)) {
    std::array<char, 64> room;
    TextBuilder text(room);
    text.add("(").add_number(content_told_ - kContentTold).add(" more octets)");
    tell(EventKind::content, EventSpeaker::note, text.view());
  }
  content_told_ = 0;
}

void IngestSession::tell_tls() {
  if (!told(EventKind::tls)) {
    return;
  }
  std::array<char, 384> room;
  TextBuilder text(room);
  const bool bad = secure_op_->result < 0;
  if (bad) {
    text.add("handshake failed: ").add(secure_op_->error_text());
  } else {
    text.add(name_of(secure_op_->facts.version)).add(" ").add(secure_op_->facts.cipher);
    text.add(secure_op_->facts.resumed ? ", resumed" : "");
  }
  tell(EventKind::tls, bad ? EventSpeaker::bad : EventSpeaker::note, text.view());
}

void IngestSession::tell_closed() {
  if (told(EventKind::connection)) {
    tell(EventKind::connection, EventSpeaker::note, "closed");
  }
}

}  // namespace ringpost::ingest
