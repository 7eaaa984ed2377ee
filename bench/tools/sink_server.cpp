#include "bench/tools/sink_server.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/tools/socket.h"

namespace ringpost::tools {
namespace {

constexpr unsigned kRingEntries = 4096;
constexpr unsigned kBufferCount = 256;
constexpr unsigned kBufferBytes = 16 * 1024;
// A reserved owner for the listener; connections have their own addresses.
alignas(8) char listener_owner[8];

/// Hands `plain` and what TLS has to say of its own to `out`.
void put_out(TlsFilter& tls, std::string_view plain, std::string& out) {
  if (!tls.active()) {
    out.append(plain);
    return;
  }
  tls.send(plain);
  out.append(tls.out());
  tls.out().clear();
}

}  // namespace

bool Greylist::defers(std::string_view recipient, unsigned count) {
  const std::lock_guard lock(mutex_);
  return ++attempts_[std::string(recipient)] <= count;
}

SinkWorker::SinkWorker(SinkShared& shared, unsigned index)
    : shared_(shared), index_(index), random_(shared.options.seed * 1000003 + index) {}

SinkWorker::~SinkWorker() {
  if (listener_ >= 0) {
    ::close(listener_);
  }
  for (auto& [connection, owned] : connections_) {
    ::close(connection->fd);
  }
}

Status SinkWorker::listen(SocketAddress& address) {
  Result<int> listener = listen_on(address);
  if (!listener) {
    return listener.error();
  }
  listener_ = *listener;
  if (!options().record.empty()) {
    return record_.open(options().record);
  }
  return {};
}

Status SinkWorker::run() {
  if (Status opened = ring_.open(kRingEntries, kBufferCount, kBufferBytes); !opened) {
    return opened;
  }
  ring_.accept(listener_, listener_owner);
  while (!shared_.stop.load(std::memory_order_relaxed)) {
    const Duration limit = Duration::milliseconds(waiting_.empty() ? 100 : 1);
    ring_.turn(limit, [this](const Event& event) { on_event(event); });
    end_of_turn();
  }
  // The replies of the last turn are still to be handed to the kernel.
  ring_.turn(Duration::milliseconds(10), [this](const Event& event) { on_event(event); });
  return {};
}

void SinkWorker::on_event(const Event& event) {
  if (event.owner == listener_owner) {
    on_accept(event);
    return;
  }
  auto& connection = *static_cast<Connection*>(event.owner);
  if (event.op == Op::receive) {
    on_receive(connection, event);
  } else {
    on_send(connection, event);
  }
}

void SinkWorker::on_accept(const Event& event) {
  if (!event.more) {
    ring_.accept(listener_, listener_owner);
  }
  if (event.result < 0) {
    return;
  }
  set_no_delay(event.result);
  const int open_now = shared_.connections.fetch_add(1) + 1;
  const auto limit = static_cast<int>(options().connections_max);
  auto owned = std::make_unique<Connection>(*this, event.result);
  Connection& connection = *owned;
  connections_.emplace(&connection, std::move(owned));
  counters_.connections.add(1);
  connection.session.greet(limit > 0 && open_now > limit);
  connection.receiving = true;
  ring_.receive(connection.fd, &connection);
  mark(connection);
}

void SinkWorker::on_receive(Connection& connection, const Event& event) {
  connection.receiving = event.more;
  if (event.result > 0) {
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
  mark(connection);
}

bool SinkWorker::take_bytes(Connection& connection, std::string_view bytes) {
  if (connection.tls.active()) {
    plain_.clear();
    const bool well = connection.tls.receive(bytes, plain_);
    connection.session.receive(plain_);
    return well;
  }
  connection.session.receive(bytes);
  if (connection.session.take_starttls()) {
    // The last reply in clear goes out ahead of the handshake, without the delays of the others.
    connection.tls.begin(shared_.tls.get(), true);
    connection.tls.out().append(connection.session.replies());
    connection.session.replies().clear();
  }
  return true;
}

void SinkWorker::on_send(Connection& connection, const Event& event) {
  connection.sending = false;
  if (event.result < 0) {
    shut(connection);
  } else {
    connection.sent += static_cast<std::size_t>(event.result);
    if (connection.sent == connection.out.size()) {
      connection.out.clear();
      connection.sent = 0;
    }
  }
  mark(connection);
}

void SinkWorker::mark(Connection& connection) {
  if (!connection.dirty) {
    connection.dirty = true;
    dirty_.push_back(&connection);
  }
}

void SinkWorker::end_of_turn() {
  // The record is written before any of this turn's replies can leave.
  if (!record_.batch().empty()) {
    record_.flush();
  }
  const std::int64_t now = delays() ? monotonic_ns() : 0;
  std::erase_if(waiting_, [this, now](Connection* connection) {
    if (connection->delayed.empty() || connection->shut) {
      connection->delayed.clear();
      mark(*connection);
      return true;
    }
    if (connection->delayed.front().due_ns <= now) {
      mark(*connection);
    }
    return false;
  });
  for (Connection* connection : std::exchange(dirty_, {})) {
    connection->dirty = false;
    advance(*connection, now);
  }
}

void SinkWorker::take_replies(Connection& connection, std::int64_t now) {
  std::string& replies = connection.session.replies();
  const bool final_reply = connection.session.take_final_reply();
  if (!delays()) {
    if (!connection.sending) {
      put_out(connection.tls, replies, connection.out);
      replies.clear();
    }
    return;
  }
  if (!replies.empty()) {
    const Duration extra = final_reply ? options().reply_delay : Duration{};
    if (connection.delayed.empty()) {
      waiting_.push_back(&connection);
    }
    connection.delayed.push_back({now + options().latency.ns + extra.ns, std::move(replies)});
    replies.clear();
  }
  auto& delayed = connection.delayed;
  while (!connection.sending && !delayed.empty() && delayed.front().due_ns <= now) {
    put_out(connection.tls, delayed.front().bytes, connection.out);
    delayed.erase(delayed.begin());
  }
  if (!connection.sending) {
    put_out(connection.tls, {}, connection.out);
  }
}

void SinkWorker::advance(Connection& connection, std::int64_t now) {
  if (connection.session.abort()) {
    shut(connection);
  }
  if (!connection.shut) {
    take_replies(connection, now);
    if (!connection.sending && !connection.out.empty()) {
      connection.sending = true;
      ring_.send(connection.fd, std::string_view(connection.out).substr(connection.sent),
                 &connection);
    }
    if (connection.session.closing() && !connection.sending && connection.delayed.empty() &&
        connection.session.replies().empty()) {
      shut(connection);
    }
  }
  release_if_idle(connection);
}

void SinkWorker::shut(Connection& connection) {
  if (!connection.shut) {
    connection.shut = true;
    ::shutdown(connection.fd, SHUT_RDWR);
  }
}

void SinkWorker::release_if_idle(Connection& connection) {
  // A connection in waiting_ is taken out of it first, by the next turn.
  const bool is_waiting =
      std::find(waiting_.begin(), waiting_.end(), &connection) != waiting_.end();
  if (!connection.shut || connection.receiving || connection.sending || is_waiting) {
    return;
  }
  ::close(connection.fd);
  shared_.connections.fetch_sub(1);
  connections_.erase(&connection);
}

bool SinkWorker::defers(std::string_view recipient) {
  const unsigned count = options().defer_first;
  return count > 0 && shared_.greylist.defers(recipient, count);
}

void SinkWorker::rejected(bool temporary) {
  (temporary ? counters_.deferred : counters_.rejected).add(1);
}

void SinkWorker::accepted(const SinkSession& session) {
  const std::int64_t now = monotonic_ns();
  if (counters_.messages.get() == 0) {
    counters_.first_ns.store(now, std::memory_order_relaxed);
  }
  counters_.last_ns.store(now, std::memory_order_relaxed);
  counters_.messages.add(1);
  counters_.recipients.add(session.recipient_count());
  counters_.bytes.add(session.digest().size());
  if (record_.is_open()) {
    std::string& line = record_.batch();
    for (const std::string& recipient : session.recipients()) {
      line.append(session.digest().id()).append("\t").append(recipient).append("\t");
      line.append(std::to_string(session.digest().size())).append("\t");
      append_hex(line, session.digest().hash());
      if (options().times) {
        line.append("\t").append(std::to_string(now));
      }
      line.push_back('\n');
    }
  }
  if (!options().maildir.empty()) {
    keep_raw(session);
  }
  if (options().quit_after > 0 && shared_.messages.fetch_add(1) + 1 >= options().quit_after) {
    shared_.stop.store(true);
  }
}

void SinkWorker::keep_raw(const SinkSession& session) {
  // An id comes from outside: only what is safe in a file name is kept of it.
  std::string name;
  for (const char c : session.digest().id().substr(0, 100)) {
    name.push_back(std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ? c : '_');
  }
  name = options().maildir + "/" + name + "." + std::to_string(index_) + "." +
         std::to_string(kept_++) + ".eml";
  const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  std::string_view rest = session.raw();
  while (fd >= 0 && !rest.empty()) {
    const ssize_t written = ::write(fd, rest.data(), rest.size());
    if (written <= 0) {
      break;
    }
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (fd < 0 || !rest.empty()) {
    std::fprintf(stderr, "cannot write %s: %s\n", name.c_str(), std::strerror(errno));
    shared_.stop.store(true);
  }
  if (fd >= 0) {
    ::close(fd);
  }
}

}  // namespace ringpost::tools
