#include "net/ingest/service.h"

#include <new>
#include <string>

#include "core/base/assert.h"

namespace ringpost::ingest {
namespace {

constexpr Duration kAcceptRetry = Duration::milliseconds(100);

}  // namespace

void IngestService::FreeArray::operator()(void* memory) const { ::operator delete(memory); }

IngestService::IngestService(Loop& loop, Net& net, Tls& tls, MessageSink& sink, Entropy& entropy,
                             const IngestMemory& memory, IngestConfigRef config, auth::Desk* desk)
    : config_(std::move(config)),
      memory_(memory),
      blocks_(memory.envelope_blocks),
      recipients_(memory.recipients_max),
      by_address_(memory.sessions_max),
      shard_{loop, net, tls, sink, blocks_, recipients_, edits_, stats_, entropy, desk},
      session_memory_(::operator new (std::size_t{memory.sessions_max + memory.turned_away_max} *
                                      sizeof(IngestSession))) {
  static_assert(alignof(IngestSession) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
  shard_.token_high = entropy.next64();
  shard_.token_low = entropy.next64() >> 1;
}

IngestService::~IngestService() {
  RP_ASSERT_NOTE(sessions_.empty() && accepting_ == 0, "the service was not stopped");
  while (IngestSession* session = free_.pop_front()) {
    session->~IngestSession();
  }
}

Status IngestService::start() {
  for (const ListenAddress& entry : config_->listen) {
    const SocketAddress& address = entry.address;
    auto id = shard_.net.listen(address);
    if (!id) {
      close_listeners();
      return Error::of(id.error().code, "listen on " + address.text() + ": " + id.error().detail);
    }
    auto& listener = *listeners_.emplace_back(std::make_unique<Listener>());
    listener.id = *id;
    listener.address = address;
    listener.service = this;
    listener.accept.bind<&Listener::on_accepted>(&listener);
    listener.retry.bind<&Listener::on_retry>(&listener);
  }
  for (const auto& listener : listeners_) {
    accept_next(*listener);
  }
  return {};
}

std::vector<SocketAddress> IngestService::bound_addresses() const {
  std::vector<SocketAddress> addresses;
  for (const auto& listener : listeners_) {
    addresses.push_back(shard_.net.bound_address(listener->id));
  }
  return addresses;
}

void IngestService::close_listeners() {
  for (const auto& listener : listeners_) {
    shard_.loop.timers().disarm(listener->retry);
    if (listener->id.valid()) {
      shard_.net.close_listener(listener->id);
      listener->id = {};
    }
  }
}

void IngestService::accept_next(Listener& listener) {
  ++accepting_;
  shard_.net.accept(listener.id, listener.accept);
}

void IngestService::accepted(Listener& listener) {
  --accepting_;
  const bool good = listener.accept.result == 0;
  if (good) {
    serve(listener.accept.socket, listener.address);
  }
  if (listener.id.valid()) {
    if (good) {
      accept_next(listener);
    } else {
      // Descriptors or memory are used up: trying again at once would only burn the processor.
      ++stats_.accept_failed;
      stats_.accept_error = -listener.accept.result;
      shard_.loop.timers().arm(listener.retry, shard_.loop.now().instant + kAcceptRetry);
    }
  }
  report_if_stopped();
}

IngestSession* IngestService::take_session() {
  if (IngestSession* session = free_.pop_front()) {
    return session;
  }
  if (sessions_made_ == memory_.sessions_max + memory_.turned_away_max) {
    return nullptr;
  }
  void* place = static_cast<char*>(session_memory_.get()) +
                std::size_t{sessions_made_} * sizeof(IngestSession);
  ++sessions_made_;
  return ::new (place) IngestSession(shard_, *this);
}

// Anything but `serve` takes nothing.
Welcome IngestService::welcome_for(const IpAddress& client, const SourcePolicy& policy) {
  if (shard_.stopping) {
    return Welcome::stopping;
  }
  if (!policy.accept) {
    return Welcome::not_for_you;
  }
  const std::uint32_t per_address = config_->connections_per_address_max;
  const bool too_many = served_ >= memory_.sessions_max ||
                        (per_address > 0 && by_address_.count(client) >= per_address);
  if (too_many || (memory_.slots != nullptr && !memory_.slots->take(policy.slot_group))) {
    return Welcome::too_many;
  }
  ++served_;
  by_address_.add(client);
  return Welcome::serve;
}

void IngestService::serve(const RawSocket& socket, const SocketAddress& listener) {
  ++stats_.connections;
  IngestSession* session = take_session();
  if (session == nullptr) {
    ++stats_.turned_away;
    shard_.net.discard(socket);
    return;
  }
  const auto stream = shard_.net.adopt(socket);
  if (!stream) {
    ++stats_.turned_away;
    free_.push_front(*session);
    return;
  }
  const ListenAddress* const where = config_->listener_at(listener);
  const SourcePolicy& policy =
      config_->policy_for(socket.peer.ip, where == nullptr ? 0 : where->rules);
  const Welcome welcome = welcome_for(socket.peer.ip, policy);
  stats_.turned_away += welcome == Welcome::too_many || welcome == Welcome::stopping ? 1 : 0;
  stats_.not_served += welcome == Welcome::not_for_you ? 1 : 0;
  session->set_counted(welcome == Welcome::serve);
  session->set_slot_group(policy.slot_group);
  sessions_.push_back(*session);
  session->set_local(socket.local.ip);
  session->begin(*stream, socket.peer, config_, policy, where, welcome);
}

void IngestService::session_ended(IngestSession& session) {
  if (session.counted()) {
    --served_;
    by_address_.remove(session.connected_from().ip);
    if (memory_.slots != nullptr) {
      memory_.slots->give_back(session.slot_group());
    }
  }
  sessions_.remove(session);
  free_.push_front(session);
  report_if_stopped();
}

bool IngestService::changes_group(IngestSession& session, std::uint32_t group) {
  if (memory_.slots != nullptr && session.counted() &&
      !memory_.slots->move(session.slot_group(), group)) {
    ++stats_.turned_away;
    return false;
  }
  session.set_slot_group(group);
  return true;
}

void IngestService::stop(Completion& done) {
  RP_ASSERT(!shard_.stopping);
  shard_.stopping = true;
  stop_done_ = &done;
  close_listeners();
  // A session never ends inside these calls: its stream's close completes later.
  for (IngestSession* session = sessions_.front(); session != nullptr;
       session = sessions_.after(*session)) {
    session->stop_when_at_rest();
  }
  report_if_stopped();
}

void IngestService::abandon_sessions() {
  for (IngestSession* session = sessions_.front(); session != nullptr;
       session = sessions_.after(*session)) {
    session->abandon();
  }
}

void IngestService::report_if_stopped() {
  if (stop_done_ != nullptr && stopped()) {
    Completion* done = stop_done_;
    stop_done_ = nullptr;
    shard_.loop.complete(*done, 0);
  }
}

}  // namespace ringpost::ingest
