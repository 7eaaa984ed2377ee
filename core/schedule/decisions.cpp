#include "core/schedule/decisions.h"

#include <algorithm>
#include <array>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "core/schedule/kept_line.h"

namespace ringpost::schedule {

namespace {

constexpr std::array<std::string_view, 3> kCauses = {"reply", "command", "no-source"};
constexpr std::string_view kBackoffWord = "backoff";
constexpr std::string_view kSourceWord = "source";

}  // namespace

std::string_view name_of(Cause cause) noexcept {
  return kCauses[static_cast<std::size_t>(cause) % kCauses.size()];
}

std::string Decision::id() const {
  const std::string queue = name + "/" + vmta;
  return kind == Kind::backoff ? std::string(kBackoffWord) + ":" + queue
                               : std::string(kSourceWord) + ":" + source.text() + ":" + queue;
}

std::string write_decision(const Decision& decision) {
  const bool backoff = decision.kind == Decision::Kind::backoff;
  std::string line(backoff ? kBackoffWord : kSourceWord);
  add_field(line, decision.name);
  add_field(line, decision.vmta);
  add_field(line, name_of(decision.cause));
  add_field(line, backoff ? "-" : decision.source.text());
  add_field(line, std::to_string(decision.since.us));
  add_field(line, std::to_string(decision.until.us));
  add_field(line, decision.place);
  add_field(line, decision.pattern);
  add_field(line, decision.reply);
  return line;
}

bool read_decision(std::string_view line, Decision& out) {
  const std::string_view kind = next_field(line);
  if (kind != kBackoffWord && kind != kSourceWord) {
    return false;
  }
  out = {};
  out.kind = kind == kBackoffWord ? Decision::Kind::backoff : Decision::Kind::source;
  out.name = to_lower(next_field(line));
  out.vmta = next_field(line);
  const auto cause = std::find(kCauses.begin(), kCauses.end(), next_field(line));
  const std::string_view source = next_field(line);
  if (out.name.empty() || out.vmta.empty() || cause == kCauses.end()) {
    return false;
  }
  out.cause = static_cast<Cause>(cause - kCauses.begin());
  if (out.kind == Decision::Kind::source) {
    const auto address = IpAddress::parse(source);
    if (!address) {
      return false;
    }
    out.source = *address;
  }
  if (!read_time(next_field(line), out.since) || !read_time(next_field(line), out.until)) {
    return false;
  }
  out.place = next_field(line);
  out.pattern = next_field(line);
  out.reply = line;
  return true;
}

DecisionBook::Key DecisionBook::key_of(std::string_view name, std::string_view vmta) {
  return {to_lower(name), to_lower(vmta)};
}

const DecisionBook::Entries* DecisionBook::find(std::string_view name,
                                                std::string_view vmta) const {
  const auto found = queues_.find(key_of(name, vmta));
  return found == queues_.end() ? nullptr : &found->second;
}

const Decision* DecisionBook::add(Decision decision, Now now) {
  const Key key = key_of(decision.name, decision.vmta);
  const auto fits = [&](const auto& entry) {
    return entry->decision.kind == decision.kind && entry->decision.source == decision.source;
  };
  const Entries* known = find(decision.name, decision.vmta);
  const bool fresh = known == nullptr || std::none_of(known->begin(), known->end(), fits);
  if (fresh && size_ >= kMax) {
    return nullptr;
  }
  Entries& entries = queues_[key];
  if (fresh) {
    ++size_;
    sources_ += decision.kind == Decision::Kind::source ? 1 : 0;
    entries.push_back(std::make_unique<Entry>());
    entries.back()->serial = ++serial_;
    entries.back()->decision.kind = decision.kind;
    entries.back()->decision.source = decision.source;
  }
  Entry& entry = **std::find_if(entries.begin(), entries.end(), fits);
  by_time_.erase({entry.due, entry.serial});
  entry.decision = std::move(decision);
  entry.due = entry.decision.until.us == 0 ? Instant::never()
                                           : now.instant + (entry.decision.until - now.wall);
  if (entry.due != Instant::never()) {
    by_time_.emplace(std::pair{entry.due, entry.serial}, &entry);
  }
  ++changes_;
  return &entry.decision;
}

void DecisionBook::remove(const Decision& decision) {
  const auto queue = queues_.find(key_of(decision.name, decision.vmta));
  RP_ASSERT(queue != queues_.end());
  const auto place = std::find_if(queue->second.begin(), queue->second.end(),
                                  [&](const auto& entry) { return &entry->decision == &decision; });
  RP_ASSERT(place != queue->second.end());
  --size_;
  sources_ -= decision.kind == Decision::Kind::source ? 1 : 0;
  by_time_.erase({(*place)->due, (*place)->serial});
  queue->second.erase(place);
  if (queue->second.empty()) {
    queues_.erase(queue);
  }
  ++changes_;
}

const Decision* DecisionBook::backoff_of(std::string_view name, std::string_view vmta) const {
  const Entries* entries = backoffs() == 0 ? nullptr : find(name, vmta);
  for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
    if ((*entries)[i]->decision.kind == Decision::Kind::backoff) {
      return &(*entries)[i]->decision;
    }
  }
  return nullptr;
}

const Decision* DecisionBook::due(Instant now) const {
  return by_time_.empty() || by_time_.begin()->first.first > now
             ? nullptr
             : &by_time_.begin()->second->decision;
}

Instant DecisionBook::next_due() const {
  return by_time_.empty() ? Instant::never() : by_time_.begin()->first.first;
}

}  // namespace ringpost::schedule
