#include "tests/unit/smtp/client_script.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace ringpost::smtp {

namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) {
    words.push_back(word);
  }
  return words;
}

std::string_view name_of(TransactionEnd end) {
  static constexpr std::string_view kNames[] = {"answered", "all_refused", "unattempted",
                                                "interrupted", "ambiguous"};
  return kNames[static_cast<std::size_t>(end)];
}

std::string text_of(const Reply& reply) {
  return reply.code == 0 ? "" : " " + std::to_string(reply.code) + " " + std::string(reply.text);
}

std::string text_of(const Capabilities& capabilities) {
  std::string out = capabilities.esmtp ? " esmtp" : "";
  out += capabilities.pipelining ? " pipelining" : "";
  out += capabilities.size ? " size=" + std::to_string(capabilities.size_limit) : "";
  out += capabilities.eight_bit_mime ? " 8bitmime" : "";
  out += capabilities.smtputf8 ? " smtputf8" : "";
  out += capabilities.dsn ? " dsn" : "";
  out += capabilities.chunking ? " chunking" : "";
  return out;
}

}  // namespace

OwnedTransaction::OwnedTransaction(std::string_view line) {
  const std::vector<std::string> words = words_of(line);
  Recipient common;
  transaction.size = 100;
  transaction.body_bytes = 103;
  transaction.chunkable = true;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = strings.emplace_back(words[i]);
    const std::size_t equals = word.find('=');
    const std::string_view key = std::string_view(word).substr(0, equals);
    const std::string_view value =
        equals == std::string::npos ? "" : std::string_view(word).substr(equals + 1);
    if (key == "size") {
      transaction.size = std::stoull(std::string(value));
    } else if (key == "body") {
      transaction.body_bytes = std::stoull(std::string(value));
    } else if (key == "dots") {
      transaction.chunkable = false;
    } else if (key == "metered") {
      transaction.metered = true;
    } else if (key == "8bit") {
      transaction.eight_bit = true;
    } else if (key == "utf8") {
      transaction.needs_smtputf8 = envelope.smtputf8 = true;
    } else if (key == "envid") {
      envelope.envelope_id = value;
    } else if (key == "ret") {
      envelope.dsn_return = value == "full" ? DsnReturn::full : DsnReturn::headers;
    } else if (key == "notify") {
      common.notify = value == "never"     ? notify::kNever
                      : value == "success" ? notify::kSuccess
                      : value == "delay"   ? notify::kDelay
                                           : notify::kFailure;
    } else if (key == "orcpt") {
      common.original = value;
    } else if (key == "many") {
      for (std::size_t k = 0; k < std::stoull(std::string(value)); ++k) {
        recipients.push_back({strings.emplace_back("r" + std::to_string(k) + "@b.example"), {}, 0});
      }
    } else {
      recipients.push_back({word, {}, 0});
    }
  }
  for (std::size_t i = 0; i < recipients.size(); ++i) {
    recipients[i].original = common.original;
    recipients[i].notify = common.notify;
    chosen.emplace_back().index = static_cast<std::uint32_t>(i);
  }
  const std::string& sender = strings.emplace_back(words.at(0));
  envelope.reverse_path = sender == "<>" ? "" : std::string_view(sender);
  envelope.recipients = recipients;
  transaction.envelope = &envelope;
  transaction.recipients = chosen;
}

std::string ClientScript::play(std::string_view script) {
  std::istringstream lines{std::string(script)};
  std::string run;
  for (std::string line; std::getline(lines, line);) {
    const bool server = line.rfind("S:", 0) == 0;
    if (!server && !run.empty()) {
      serve(run);
      run.clear();
    }
    const std::string text = line.size() > 3 ? line.substr(line.find(' ') + 1) : "";
    if (server) {
      start();
      write("S", text);
      run += text + line_end_;
    } else if (line.rfind("option:", 0) == 0) {
      option(text);
    } else if (line.rfind("T:", 0) == 0) {
      transactions_.emplace_back(text);
    } else if (line.rfind("I:", 0) == 0) {
      start();
      write("I", text);
      input(text);
    }
  }
  if (!run.empty()) {
    serve(run);
  }
  return out_;
}

void ClientScript::start() {
  if (!started_) {
    started_ = true;
    options_.helo = "out.example";
    options_.own_name = own_name_;
    engine_.start(options_, actions_);
    carry_out();
  }
}

void ClientScript::option(std::string_view text) {
  const std::vector<std::string> words = words_of(text);
  if (words.at(0) == "pipelining") {
    options_.pipelining = words.at(1) == "on";
  } else if (words.at(0) == "8bitmime") {
    options_.eight_bit_mime = words.at(1) == "on";
  } else if (words.at(0) == "dsn") {
    options_.dsn = words.at(1) == "on";
  } else if (words.at(0) == "group_next") {
    options_.group_next = words.at(1) == "on";
  } else if (words.at(0) == "window") {
    options_.window = static_cast<std::uint32_t>(std::stoul(words.at(1)));
  } else if (words.at(0) == "unanswered") {
    options_.unanswered_max = std::stoull(words.at(1));
  } else if (words.at(0) == "own_name") {
    own_name_ = words.at(1);
  } else if (words.at(0) == "tls") {
    options_.tls = words.at(1) == "required" ? TlsUse::required : TlsUse::offered;
  } else if (words.at(0) == "login") {
    login_.user = words.at(1);
    login_.password.assign(words.at(2));
    login_.clear_text_ok = words.size() > 3;
    options_.login = &login_;
  } else if (words.at(0) == "threshold") {
    options_.wait_for_recipients_above = std::stoull(words.at(1));
  } else if (words.at(0) == "drain") {
    auto_drain_ = false;
  } else if (words.at(0) == "crlf") {
    line_end_ = "\n";
  } else {
    ADD_FAILURE() << "unknown option " << text;
  }
}

void ClientScript::serve(std::string_view bytes) {
  held_ += bytes;
  std::size_t taken = 0;
  while (!held_.empty()) {
    std::size_t piece = held_.size();
    if (split_ == kEveryOctet) {
      piece = 1;
    } else if (taken < split_) {
      piece = std::min(piece, split_ - taken);
    }
    const std::size_t used = engine_.receive(std::string_view(held_).substr(0, piece), actions_);
    carry_out();
    held_.erase(0, used);
    taken += used;
    if (used == 0) {
      return;  // offered again once the output is drained
    }
  }
}

void ClientScript::input(std::string_view text) {
  const std::vector<std::string> words = words_of(text);
  if (words.at(0) == "begin") {
    beginning_ = std::stoull(words.at(1));
    numbers_.push_back(beginning_);
    ++open_;
    engine_.begin(transactions_.at(beginning_).transaction, actions_);
  } else if (words[0] == "allow") {
    engine_.allow(asked_, static_cast<std::uint32_t>(std::stoul(words.at(1))), actions_);
  } else if (words[0] == "cut") {
    engine_.cut(asked_, actions_);
  } else if (words[0] == "quit") {
    engine_.quit(actions_);
  } else if (words[0] == "abort") {
    engine_.abort(actions_);
  } else if (words[0] == "lost") {
    engine_.connection_lost(actions_);
  } else if (words[0] == "timeout") {
    engine_.timed_out(actions_);
  } else if (words[0] == "secured") {
    engine_.tls_established(actions_);
  } else if (words[0] == "tls_failed") {
    engine_.tls_failed("bad certificate", actions_);
  } else if (words[0] == "drained") {
    engine_.output_drained(actions_);
  } else if (words[0] == "body_sent") {
    engine_.bodies_sent(1);
    actions_.clear();
    if (engine_.can_resume()) {
      engine_.resume(actions_);
    }
  } else {
    ADD_FAILURE() << "unknown input " << text;
  }
  carry_out();
  if (!held_.empty() && !engine_.ended()) {
    serve("");
  }
}

void ClientScript::carry_out() {
  bool sent = false;
  for (const ClientAction& action : actions_) {
    const auto number = [&] { return std::to_string(numbers_.at(action.transaction)); };
    using Kind = ClientAction::Kind;
    switch (action.kind) {
      case Kind::send:
        write_client_bytes(action.bytes);
        sent = true;
        break;
      case Kind::send_body:
        write("C", "[body " + number() + "]");
        sent = true;
        break;
      case Kind::send_chunk:
        write("C", "[chunk " + number() + "]");
        sent = true;
        break;
      case Kind::start_tls: write("R", "start_tls"); break;
      case Kind::ready: write("R", "ready" + text_of(engine_.capabilities())); break;
      case Kind::recipient_reply:
        write("R",
              "rcpt " + number() + " " + std::to_string(action.recipient) + text_of(action.reply));
        break;
      case Kind::ask_recipients:
        asked_ = action.transaction;
        write("R", "ask " + number() + " after " +
                       std::to_string(engine_.recipients_sent(action.transaction)));
        break;
      case Kind::transaction_over:
        ASSERT_GT(open_, 0U) << "a transaction ended twice";
        --open_;
        write("R", "over " + number() + " " + std::string(name_of(action.end)) + " " +
                       std::string(ringpost::name_of(action.phase)) + text_of(action.reply));
        break;
      case Kind::downgrade_pipelining: write("R", "downgrade"); break;
      case Kind::downgrade_chunking: write("R", "downgrade chunking"); break;
      case Kind::idle: write("R", "idle"); break;
      case Kind::close:
        write("R", "close " + std::string(smtp::name_of(action.reason)) + text_of(action.reply) +
                       (action.detail.empty() ? "" : ": " + std::string(action.detail)));
        EXPECT_EQ(open_, 0U) << "closed with transactions open";
        break;
    }
  }
  actions_.clear();
  if (sent && auto_drain_) {
    engine_.output_drained(actions_);
    carry_out();
  }
}

void ClientScript::write(std::string_view kind, std::string_view text) {
  out_.append(kind).append(": ").append(text).append("\n");
}

void ClientScript::write_client_bytes(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find("\r\n");
    ASSERT_NE(end, std::string_view::npos) << "a command without line end";
    write("C", bytes.substr(0, end));
    bytes.remove_prefix(end + 2);
  }
}

}  // namespace ringpost::smtp
