// room: smtp
// The client engine against a server that says and does anything: every transaction ends exactly
// once, the session ends, and what is sent stays inside the engine's room.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string_view>
#include <vector>

#include "net/smtp/client_engine.h"

namespace {

using ringpost::smtp::ClientAction;
using ringpost::smtp::ClientActions;
using ringpost::smtp::ClientEngine;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

struct Session {
  ringpost::Login login;
  ClientEngine::Rooms rooms;
  ClientEngine engine{rooms};
  ClientActions actions;
  std::set<std::uint32_t> open;
  ringpost::Envelope envelope;
  std::array<ringpost::Recipient, 300> recipients;
  std::array<ringpost::JobRecipient, 300> chosen;
  std::array<ringpost::smtp::ClientTransaction, 3> transactions;
  std::size_t begun = 0;
  bool closed = false;
  bool asking = false;
  std::uint32_t asked = 0;

  explicit Session(std::uint8_t settings) {
    for (std::size_t i = 0; i < recipients.size(); ++i) {
      recipients[i].address = "someone@b.example";
      chosen[i].index = static_cast<std::uint32_t>(i);
    }
    envelope.reverse_path = "sender@a.example";
    envelope.recipients = recipients;
    constexpr std::size_t kCounts[] = {1, 3, 300};
    for (std::size_t i = 0; i < transactions.size(); ++i) {
      transactions[i].envelope = &envelope;
      transactions[i].recipients = std::span(chosen).first(kCounts[i]);
      transactions[i].size = 10;
      transactions[i].body_bytes = (settings & 4) != 0 ? 5000 : 10;
      transactions[i].chunkable = i != 1;
      transactions[i].metered = i > 0 && (settings & 32) != 0;
    }
    ringpost::smtp::ClientOptions options;
    options.helo = "out.example";
    options.own_name = "mx";
    options.pipelining = (settings & 1) == 0;
    options.group_next = (settings & 2) == 0;
    options.wait_for_recipients_above = 1000;
    options.window = (settings & 64) != 0 ? 4 : 1;
    options.unanswered_max = 2000;
    options.tls = static_cast<ringpost::smtp::TlsUse>((settings >> 3) % 3);
    login.user = "joe";
    login.password.assign(std::string((settings & 1) != 0 ? 600 : 6, 'p'));
    login.clear_text_ok = (settings & 2) != 0;
    options.login = settings >= 128 ? &login : nullptr;
    engine.start(options, actions);
    take();
  }

  void take() {
    for (const ClientAction& action : actions) {
      require(!closed);
      switch (action.kind) {
        case ClientAction::Kind::send:
          require(!action.bytes.empty() && action.bytes.size() <= ClientEngine::kCommandRoom);
          break;
        case ClientAction::Kind::send_body:
        case ClientAction::Kind::send_chunk:
        case ClientAction::Kind::recipient_reply:
          require(open.count(action.transaction) == 1);
          break;
        case ClientAction::Kind::ask_recipients:
          require(open.count(action.transaction) == 1);
          asking = true;
          asked = action.transaction;
          break;
        case ClientAction::Kind::transaction_over:
          asking = asking && asked != action.transaction;
          require(open.erase(action.transaction) == 1);
          break;
        case ClientAction::Kind::close:
          closed = true;
          require(open.empty());
          break;
        default: break;
      }
    }
    actions.clear();
  }

  void input(std::uint8_t what) {
    switch (what % 8) {
      case 0:
        if (engine.wants_transaction()) {
          const std::uint32_t number = static_cast<std::uint32_t>(begun);
          open.insert(number);
          require(engine.begin(transactions[begun % 3], actions) == number);
          ++begun;
        }
        break;
      case 1: engine.output_drained(actions); break;
      case 2: engine.connection_lost(actions); break;
      case 3: engine.timed_out(actions); break;
      case 4:
        engine.bodies_sent(1);
        if (engine.can_resume()) {
          engine.resume(actions);
        }
        break;
      case 5:
        if (engine.state() == ringpost::smtp::ClientState::idle && engine.transactions() == 0) {
          engine.quit(actions);
        }
        break;
      case 6:
        if (asking) {
          asking = false;
          engine.allow(asked, 1, actions);
        } else if (engine.state() == ringpost::smtp::ClientState::in_handshake) {
          engine.tls_established(actions);
        }
        break;
      case 7:
        if (asking) {
          asking = false;
          engine.cut(asked, actions);
        } else if (engine.state() == ringpost::smtp::ClientState::in_handshake) {
          engine.tls_failed("", actions);
        }
        break;
      default: break;
    }
    take();
  }

  void serve(std::string_view bytes) {
    for (int i = 0; !bytes.empty() && i < 10000; ++i) {
      const std::size_t used = engine.receive(bytes, actions);
      take();
      if (used == 0) {
        engine.output_drained(actions);
        take();
      }
      bytes.remove_prefix(used);
    }
  }
};

}  // namespace

// The first octet sets options; then octets below 0x08 are inputs, all else is what the server
// says, up to the next of those.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 100000) {
    return 0;
  }
  static thread_local std::vector<char> spoken;
  Session session(data[0]);
  spoken.clear();
  for (std::size_t i = 1; i < size; ++i) {
    if (data[i] >= 8) {
      spoken.push_back(static_cast<char>(data[i]));
      continue;
    }
    session.serve({spoken.data(), spoken.size()});
    spoken.clear();
    session.input(data[i]);
  }
  session.serve({spoken.data(), spoken.size()});
  session.engine.abort(session.actions);
  session.take();
  require(session.open.empty() && session.engine.ended());
  return 0;
}
