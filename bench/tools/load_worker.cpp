#include "bench/tools/load_worker.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace ringpost::tools {
namespace {

constexpr unsigned kRingEntries = 4096;
constexpr unsigned kBufferCount = 1024;
constexpr unsigned kBufferBytes = 2048;
constexpr std::int64_t kRetryNs = 20'000'000;
constexpr std::int64_t kSecondNs = 1'000'000'000;
// How long the end waits for replies under way, and for 221.
constexpr std::int64_t kDrainNs = 30 * kSecondNs;
constexpr std::int64_t kQuitNs = kSecondNs / 2;

constexpr const char* kAcked = "acked";

}  // namespace

LoadWorker::LoadWorker(LoadShared& shared, unsigned connections)
    : shared_(shared),
      maker_(shared.options, shared.run_tag),
      peer_(KernelAddress::of(shared.options.to)) {
  for (unsigned i = 0; i < connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(*this));
  }
}

LoadWorker::~LoadWorker() {
  for (const auto& connection : connections_) {
    if (connection->fd >= 0) {
      ::close(connection->fd);
    }
  }
}

Status LoadWorker::open_ledger() {
  return options().ledger.empty() ? Status() : ledger_.open(options().ledger);
}

Status LoadWorker::run() {
  if (Status opened = ring_.open(kRingEntries, kBufferCount, kBufferBytes); !opened) {
    return opened;
  }
  now_ns_ = monotonic_ns();
  for (const auto& connection : connections_) {
    connect(*connection);
  }
  std::int64_t over_since = 0;
  while (true) {
    const bool eager = starved_ && options().rate > 0;
    ring_.turn(Duration::milliseconds(eager ? 1 : 10),
               [this](const Event& event) { on_event(event); });
    now_ns_ = monotonic_ns();
    for (Connection* connection : std::exchange(dirty_, {})) {
      connection->dirty = false;
      advance(*connection);
    }
    start_waiting();
    ledger_.flush();
    if (!over()) {
      continue;
    }
    over_since = over_since == 0 ? now_ns_ : over_since;
    const bool busy = std::any_of(connections_.begin(), connections_.end(), [](const auto& c) {
      return c->fd >= 0 && c->session.greeted() && !c->session.idle() && !c->session.broken();
    });
    if (!busy || now_ns_ - over_since > kDrainNs || shared_.gave_up.load()) {
      break;
    }
  }
  finish_all();
  ledger_.flush();
  return {};
}

bool LoadWorker::over() const {
  if (shared_.stop.load(std::memory_order_relaxed)) {
    return true;
  }
  return options().messages > 0 &&
         shared_.ended.load(std::memory_order_relaxed) >= options().messages;
}

void LoadWorker::finish_all() {
  finishing_ = true;
  const std::int64_t limit = monotonic_ns() + kQuitNs;
  bool open = true;
  while (open && monotonic_ns() < limit) {
    open = false;
    for (const auto& connection : connections_) {
      if (connection->fd < 0) {
        continue;
      }
      open = true;
      if (connection->session.quit() && connection->session.broken()) {
        shut(*connection);
      }
      advance(*connection);
    }
    ring_.turn(Duration::milliseconds(5), [this](const Event& event) { on_event(event); });
    dirty_.clear();
  }
  for (const auto& connection : connections_) {
    connection->session.lost();
  }
}

void LoadWorker::connect(Connection& connection) {
  Result<int> opened = socket_for(options().to, options().source);
  connection.retry_ns = now_ns_ + kRetryNs;
  if (!opened) {
    return;
  }
  connection.fd = *opened;
  connection.shut = false;
  connection.sent.clear();
  connection.sent_bytes = 0;
  connection.session.begin();
  connection.tls.reset();
  connection.connecting = true;
  ring_.connect(connection.fd, peer_.get(), peer_.bytes, &connection);
}

void LoadWorker::on_event(const Event& event) {
  auto& connection = *static_cast<Connection*>(event.owner);
  mark(connection);
  switch (event.op) {
    case Op::connect:
      connection.connecting = false;
      if (event.result < 0) {
        connection.shut = true;
        return;
      }
      counters_.connects.add(1);
      shared_.last_connected_ns.store(monotonic_ns(), std::memory_order_relaxed);
      connection.receiving = true;
      ring_.receive(connection.fd, &connection);
      return;
    case Op::receive: on_receive(connection, event); return;
    case Op::send:
      connection.sending = false;
      if (event.result < 0) {
        shut(connection);
        return;
      }
      connection.sent_bytes += static_cast<std::size_t>(event.result);
      if (connection.sent_bytes == connection.sent.size()) {
        connection.sent.clear();
        connection.sent_bytes = 0;
      }
      return;
    case Op::accept:
    case Op::cancel: return;
  }
}

void LoadWorker::on_receive(Connection& connection, const Event& event) {
  connection.receiving = event.more;
  if (event.result > 0) {
    now_ns_ = monotonic_ns();
    if (options().quick_acks) {
      set_quick_ack(connection.fd);
    }
    if (!take_bytes(connection, event.data)) {
      shut(connection);
    }
  } else if (event.result != -ENOBUFS) {
    shut(connection);
  }
  if (!connection.receiving && !connection.shut) {
    connection.receiving = true;
    ring_.receive(connection.fd, &connection);
  }
}

bool LoadWorker::take_bytes(Connection& connection, std::string_view bytes) {
  if (connection.tls.active()) {
    plain_.clear();
    const bool well = connection.tls.receive(bytes, plain_);
    connection.session.receive(plain_, now_ns_);
    return well;
  }
  connection.session.receive(bytes, now_ns_);
  if (connection.session.take_starttls()) {
    connection.tls.begin(shared_.tls.get(), false);
  }
  return true;
}

// What the kernel sends next: all that the session said since, as TLS if that was agreed.
void LoadWorker::fill_sent(Connection& connection) {
  std::string& said = connection.session.out();
  if (!connection.tls.active()) {
    std::swap(connection.sent, said);
    return;
  }
  connection.tls.send(said);
  said.clear();
  std::swap(connection.sent, connection.tls.out());
}

void LoadWorker::mark(Connection& connection) {
  if (!connection.dirty) {
    connection.dirty = true;
    dirty_.push_back(&connection);
  }
}

void LoadWorker::advance(Connection& connection) {
  if (connection.session.broken() && connection.fd >= 0) {
    shut(connection);
  }
  if (!connection.shut && !connection.connecting && connection.fd >= 0) {
    if (!finishing_) {
      connection.session.advance(now_ns_);
    }
    if (!connection.sending) {
      if (connection.sent.empty()) {
        fill_sent(connection);
      }
      if (!connection.sent.empty()) {
        connection.sending = true;
        ring_.send(connection.fd, std::string_view(connection.sent).substr(connection.sent_bytes),
                   &connection);
      }
    }
  }
  close_if_quiet(connection);
}

void LoadWorker::shut(Connection& connection) {
  if (!connection.shut && connection.fd >= 0) {
    connection.shut = true;
    ::shutdown(connection.fd, SHUT_RDWR);
  }
}

void LoadWorker::close_if_quiet(Connection& connection) {
  if (!connection.shut || connection.fd < 0 || connection.receiving || connection.sending ||
      connection.connecting) {
    return;
  }
  ::close(connection.fd);
  connection.fd = -1;
  connection.retry_ns = now_ns_ + kRetryNs;
  if (!finishing_) {
    counters_.lost.add(1);
    connection.session.lost();
  }
}

void LoadWorker::start_waiting() {
  if (over()) {
    return;
  }
  const auto limit = static_cast<std::int64_t>(options().give_up_seconds * 1e9);
  bool any_open = false;
  const bool had_starved = std::exchange(starved_, false);
  for (const auto& connection : connections_) {
    any_open = any_open || (connection->fd >= 0 && connection->session.greeted());
    if (connection->fd < 0 && now_ns_ >= connection->retry_ns) {
      connect(*connection);
    } else if (had_starved && connection->session.idle()) {
      advance(*connection);
    }
  }
  const std::int64_t since =
      std::max(shared_.last_connected_ns.load(std::memory_order_relaxed), shared_.began_ns);
  if (!any_open && now_ns_ - since > limit) {
    shared_.gave_up.store(true);
    shared_.stop.store(true);
  }
}

bool LoadWorker::rate_allows() {
  if (options().rate <= 0) {
    return true;
  }
  const double elapsed = static_cast<double>(now_ns_ - shared_.began_ns) / 1e9;
  return static_cast<double>(shared_.sequence.load(std::memory_order_relaxed)) <
         elapsed * options().rate;
}

bool LoadWorker::next_message(bool chunking, LoadMessage& message) {
  if (shared_.stop.load(std::memory_order_relaxed) || !rate_allows()) {
    starved_ = true;
    return false;
  }
  if (options().messages > 0 && shared_.remaining.fetch_sub(1) <= 0) {
    shared_.remaining.fetch_add(1);
    starved_ = true;
    return false;
  }
  maker_.make(shared_.sequence.fetch_add(1), chunking, message);
  return true;
}

std::string LoadWorker::recipient_of(std::uint64_t sequence, unsigned k) {
  return maker_.recipient(sequence, k);
}

void LoadWorker::ended(Ending ending, const LoadTransaction& transaction, std::int64_t final_ns,
                       std::string_view reply) {
  switch (ending) {
    case Ending::acked:
      counters_.acked.add(1);
      counters_.recipients.add(transaction.accepted);
      counters_.bytes.add(transaction.message.content.size());
      latencies_.add(final_ns);
      break;
    case Ending::refused:
      counters_.refused.add(1);
      if (first_refusal_.empty()) {
        first_refusal_ = reply;
      }
      break;
    case Ending::unknown: counters_.unknown.add(1); break;
    case Ending::unsent:
      // Another message takes its place.
      counters_.unsent.add(1);
      shared_.remaining.fetch_add(1);
      break;
  }
  if (ending != Ending::unsent) {
    shared_.last_ended_ns.store(now_ns_, std::memory_order_relaxed);
    shared_.ended.fetch_add(1);
  }
  if (ledger_.is_open()) {
    write_ledger(ending, transaction, reply);
  }
}

void LoadWorker::write_ledger(Ending ending, const LoadTransaction& transaction,
                              std::string_view reply) {
  switch (ending) {
    case Ending::acked:
      append_row(kAcked, transaction, '0');
      if (!transaction.refused.empty()) {
        append_row("refused", transaction, '1');
      }
      break;
    case Ending::refused: append_row("refused", transaction, '*'); break;
    case Ending::unknown: append_row("unknown", transaction, '0'); break;
    case Ending::unsent: append_row("unsent", transaction, '*'); break;
  }
  if (ending != Ending::acked) {
    std::string& rows = ledger_.batch();
    rows.back() = '\t';
    rows.append(reply).push_back('\n');
  }
}

// Recipients whose mark in `refused` is the given one; '*' takes all.
void LoadWorker::append_row(const char* status, const LoadTransaction& transaction, char refused) {
  const LoadMessage& message = transaction.message;
  std::string& row = ledger_.batch();
  row.append(status).append("\t").append(message.id).append("\t");
  row.append(std::to_string(message.content.size())).append("\t");
  append_hex(row, message.hash);
  char separator = '\t';
  for (unsigned k = 0; k < message.recipients; ++k) {
    const char mark = transaction.refused.empty() ? '0' : transaction.refused[k];
    if (refused == '*' || mark == refused) {
      row.push_back(separator);
      row.append(maker_.recipient(message.sequence, k));
      separator = ',';
    }
  }
  row.append(separator == '\t' ? "\t" : "");
  if (options().times && transaction.final_sent_ns > 0 && status == kAcked) {
    row.append("\t").append(std::to_string(now_ns_));
  }
  row.push_back('\n');
}

}  // namespace ringpost::tools
