#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/unit/smtp/server_recorder.h"

// Runs tests/golden/server/*.smtp. Lines of a transcript:
//   # comment
//   @ setting        before the session: limit NAME N; refuse mail|rcpt|begin [ADDRESS] REPLY;
//                    no EXTENSION; normalise; starttls; hold (the host completes later)
//   C: text          a line from the client; CRLF is added
//   C> text          octets from the client as they stand
//   H: action        the host: complete REPLY; refuse N REPLY (content, once N octets came);
//                    close REPLY; lost; secured (the handshake succeeded)
//   S: text          a reply line the server must send
//   E: text          an event the host must get
// In C lines \r \n \t \\ \xHH are octets. C and H lines up to the next S or E line are one group;
// what they bring about must be exactly the S lines and, in their own order, the E lines behind.

namespace ringpost::smtp {
namespace {

struct Step {
  std::string input;
  std::string action;
};

struct Group {
  std::size_t line = 0;
  std::vector<Step> steps;
  std::vector<std::string> replies;
  std::vector<std::string> events;
};

struct Script {
  std::vector<std::string> settings;
  std::vector<Group> groups;
};

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'x' && i + 2 < text.size()) {
      unsigned value = 0;
      std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += c == 'r' ? '\r' : c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
  }
  return out;
}

Script read_script(const std::filesystem::path& path) {
  Script script;
  script.groups.emplace_back();
  std::ifstream file(path);
  std::string line;
  for (std::size_t number = 1; std::getline(file, line); ++number) {
    if (line.empty() || line[0] == '#') {
      continue;
    }
    const std::string kind = line.substr(0, 2);
    const std::string text = line.size() > 3 ? line.substr(3) : "";
    if (kind == "@ ") {
      script.settings.push_back(line.substr(2));
      continue;
    }
    Group* group = &script.groups.back();
    const bool expectation = kind == "S:" || kind == "E:";
    if (!expectation && (!group->replies.empty() || !group->events.empty())) {
      group = &script.groups.emplace_back();
    }
    group->line = group->line == 0 ? number : group->line;
    if (kind == "C:") {
      group->steps.push_back({unescape(text) + "\r\n", ""});
    } else if (kind == "C>") {
      group->steps.push_back({unescape(text), ""});
    } else if (kind == "H:") {
      group->steps.push_back({"", text});
    } else if (kind == "S:") {
      group->replies.push_back(text);
    } else if (kind == "E:") {
      group->events.push_back(text);
    } else {
      ADD_FAILURE() << path << ":" << number << ": not understood: " << line;
    }
  }
  return script;
}

std::string word(std::string& text) {
  const auto blank = std::min(text.find(' '), text.size());
  const std::string first = text.substr(0, blank);
  text.erase(0, std::min(blank + 1, text.size()));
  return first;
}

// "550 5.7.1 Text of it"
OwnedReply read_reply(std::string text) {
  OwnedReply reply;
  reply.code = static_cast<std::uint16_t>(std::stoi(word(text)));
  reply.status = word(text);
  reply.text = text;
  return reply;
}

void set_limit(ServerLimits& limits, const std::string& name, std::uint32_t value) {
  if (name == "command") {
    limits.command_bytes_max = value;
  } else if (name == "recipients") {
    limits.recipients_max = value;
  } else if (name == "errors") {
    limits.errors_max = value;
  } else if (name == "idle") {
    limits.idle_commands_max = value;
  } else if (name == "message") {
    limits.content.message_bytes_max = value;
  } else if (name == "header") {
    limits.content.header_bytes_max = value;
  } else if (name == "fields") {
    limits.content.header_fields_max = value;
  } else if (name == "received") {
    limits.content.received_fields_max = value;
  } else if (name == "line") {
    limits.content.line_bytes_max = value;
  } else {
    ADD_FAILURE() << "unknown limit " << name;
  }
}

ServerLimits limits_of(const Script& script) {
  ServerLimits limits;
  for (std::string setting : script.settings) {
    if (word(setting) == "limit") {
      const std::string name = word(setting);
      set_limit(limits, name, static_cast<std::uint32_t>(std::stoul(setting)));
    }
  }
  return limits;
}

void apply_settings(const Script& script, ServerSession& session) {
  for (std::string setting : script.settings) {
    const std::string what = word(setting);
    if (what == "refuse") {
      const std::string event = word(setting);
      const std::string key = event == "begin" ? event : event + " " + word(setting);
      session.recorder.answers[key] = read_reply(setting);
    } else if (what == "no") {
      (setting == "CHUNKING"   ? session.profile.chunking
       : setting == "SIZE"     ? session.profile.size
       : setting == "DSN"      ? session.profile.dsn
       : setting == "SMTPUTF8" ? session.profile.smtputf8
                               : session.profile.eight_bit_mime) = false;
    } else if (what == "normalise") {
      session.profile.bare_line_ends = BareLineEnds::normalise;
    } else if (what == "starttls") {
      session.profile.starttls = true;
    } else if (what == "hold") {
      session.recorder.hold = true;
    } else {
      EXPECT_EQ(what, "limit");
    }
  }
}

void act(ServerSession& session, std::string action) {
  const std::string what = word(action);
  if (what == "complete") {
    session.engine.complete_message(read_reply(action).view());
    session.offer();
  } else if (what == "refuse") {
    session.recorder.refuse_content_at = std::stoul(word(action));
    session.recorder.content_refusal = read_reply(action);
  } else if (what == "close") {
    session.engine.close(read_reply(action).view());
    session.offer();
  } else if (what == "secured") {
    session.engine.tls_established();
    session.offer();
  } else if (what == "lost") {
    session.engine.connection_lost();
  } else {
    ADD_FAILURE() << "unknown action " << what;
  }
}

enum class Cut { none, every_octet, at_random };

void run_script(const Script& script, Cut cut, std::uint64_t seed) {
  Random random(seed);
  ServerSession session(limits_of(script));
  apply_settings(script, session);
  session.start();
  session.offer();
  for (const Group& group : script.groups) {
    // Neighbouring input is one piece, so that a pipelined group is really fed at once.
    std::string input;
    const auto flush = [&] {
      session.feed(input, cut == Cut::none          ? std::vector<std::size_t>{}
                          : cut == Cut::every_octet ? reference::every_octet(input.size())
                                                    : reference::random_cuts(input.size(), random));
      input.clear();
    };
    for (const Step& step : group.steps) {
      if (step.action.empty()) {
        input += step.input;
      } else {
        flush();
        act(session, step.action);
      }
    }
    flush();
    ASSERT_EQ(session.take_replies(), group.replies)
        << "replies to line " << group.line << ", cut " << static_cast<int>(cut);
    ASSERT_EQ(session.take_events(), group.events)
        << "events of line " << group.line << ", cut " << static_cast<int>(cut);
  }
}

TEST(ServerGolden, TranscriptsHoldHoweverInputIsCut) {
  const std::filesystem::path folder =
      std::filesystem::path(RINGPOST_SOURCE_DIR) / "tests/golden/server";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".smtp") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  ASSERT_GE(files.size(), 10U);
  for (const auto& file : files) {
    SCOPED_TRACE(file.filename().string());
    const Script script = read_script(file);
    run_script(script, Cut::none, 0);
    if (!HasFailure()) {
      run_script(script, Cut::every_octet, 0);
    }
    for (std::uint64_t seed = 1; seed <= 10 && !HasFailure(); ++seed) {
      run_script(script, Cut::at_random, seed);
    }
  }
}

}  // namespace
}  // namespace ringpost::smtp
