// Signs one message as the delivery path does, for tests that let other programs verify it.
//
//   sign_message sign NAME=VALUE... < content > signed content
//   sign_message record KEYFILE SELECTOR DOMAIN      the record as a line of a zone file
//   sign_message check KEYFILE RECORD...             what published records mean for the key
//
// Content has CRLF line ends and no stuffing; it is stuffed here, cut into pieces of at most `cut`
// octets and signed from that.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "core/base/text.h"
#include "net/sign/body_hasher.h"
#include "net/sign/header_section.h"
#include "net/sign/key_book.h"
#include "net/sign/key_record.h"
#include "net/sign/signing_rules.h"

namespace {

using namespace ringpost::sign;  // NOLINT: a test program
using ringpost::Duration;
using ringpost::Status;
using ringpost::WallTime;

[[noreturn]] void fail(const std::string& text) {
  std::fprintf(stderr, "sign_message: %s\n", text.c_str());
  std::exit(1);
}

void need(const Status& status) {
  if (!status.ok()) {
    fail(status.error().describe());
  }
}

std::shared_ptr<const SigningKey> load(const std::string& path) {
  const auto loaded = load_key_file(path);
  if (!loaded.ok()) {
    fail(loaded.error().describe());
  }
  for (const std::string& warning : loaded->warnings) {
    std::fprintf(stderr, "warning: %s\n", warning.c_str());
  }
  return loaded->key;
}

std::string read_input() {
  std::string text;
  char room[65536];
  for (std::size_t count = 0; (count = std::fread(room, 1, sizeof room, stdin)) > 0;) {
    text.append(room, count);
  }
  return text;
}

std::string wire_form(const std::string& content) {
  std::string out;
  bool at_begin = true;
  for (const char c : content) {
    if (at_begin && c == '.') {
      out.push_back('.');
    }
    out.push_back(c);
    at_begin = c == '\n';
  }
  return out + ".\r\n";
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> items(1);
  for (const char c : list) {
    if (c == ',') {
      items.emplace_back();
    } else {
      items.back().push_back(c);
    }
  }
  return items;
}

struct Wish {
  SigningRules rules;
  std::vector<DomainKey> keys;
  std::size_t cut = 1 << 20;
  std::int64_t now = 0;
};

Canon canon_of(const std::string& name) {
  return name == "simple" ? Canon::simple : Canon::relaxed;
}

IdentityRule identity_of(const std::string& text) {
  const auto rule = IdentityRule::parse(text);
  if (!rule.ok()) {
    fail(rule.error().describe());
  }
  return *rule;
}

std::int64_t number_of(const std::string& text) {
  std::int64_t value = 0;
  if (!ringpost::parse_decimal(text, value)) {
    fail("no number: " + text);
  }
  return value;
}

void take(const std::string& name, const std::string& value, Wish& wish) {
  SignatureOptions& options = wish.rules.options;
  if (name == "header") {
    options.header = canon_of(value);
  } else if (name == "body") {
    options.body = canon_of(value);
  } else if (name == "key") {
    const auto text = DomainKeyText::parse(value);
    if (!text.ok()) {
      fail(text.error().describe());
    }
    wish.keys.push_back({text->selector, text->domain, load(text->file)});
  } else if (name == "identity") {
    wish.rules.identity = identity_of(value);
  } else if (name == "second") {
    wish.rules.second = identity_of(value);
  } else if (name == "expire") {
    options.expire_after = Duration::seconds(number_of(value));
  } else if (name == "length") {
    options.body_length = value == "yes";
  } else if (name == "query") {
    options.query_method = value;
  } else if (name == "headers") {
    need(options.headers.sign_also(split(value)));
  } else if (name == "oversign") {
    options.headers.clear_oversigned();
    need(options.headers.oversign(split(value)));
  } else if (name == "cut") {
    wish.cut = static_cast<std::size_t>(number_of(value));
  } else if (name == "now") {
    wish.now = number_of(value);
  } else {
    fail("unknown wish: " + name);
  }
}

int sign(const std::vector<std::string>& words) {
  Wish wish;
  wish.rules.sign = true;
  for (const std::string& word : words) {
    const auto equal = word.find('=');
    if (equal == std::string::npos) {
      fail("expected NAME=VALUE: " + word);
    }
    take(word.substr(0, equal), word.substr(equal + 1), wish);
  }
  const auto book = KeyBook::make(wish.keys);
  if (!book.ok()) {
    fail(book.error().describe());
  }
  const std::string content = read_input();
  const std::string wire = wire_form(content);
  CanonSet wanted;
  wanted.add(wish.rules.options.body);
  BodyHasher body;
  body.start(wanted, BodyHasher::Begin::content);
  HeaderSection header;
  std::size_t step = 0;
  for (std::size_t at = 0; at < wire.size();) {
    const std::size_t size = 1 + step++ * 7 % wish.cut;
    const std::string piece = wire.substr(at, size);
    body.feed(piece);
    header.feed(piece);
    at += size;
  }
  body.finish();
  header.finish();
  std::vector<PendingSignature> signatures;
  const KeyBook* scopes[] = {&*book};
  need(prepare_signatures(wish.rules, scopes, header, body, WallTime{wish.now * 1'000'000},
                          signatures));
  for (PendingSignature& one : signatures) {
    need(one.sign());
    const std::string field = one.field();
    std::fwrite(field.data(), 1, field.size(), stdout);
  }
  std::fwrite(content.data(), 1, content.size(), stdout);
  return 0;
}

int check(const std::vector<std::string>& words) {
  static constexpr const char* kStates[] = {"matches", "missing",   "malformed",
                                            "revoked", "other_key", "unusable"};
  const std::vector<std::string> records(words.begin() + 1, words.end());
  const RecordCheck result = check_records(*load(words[0]), records, false);
  std::printf("%s: %s\n", kStates[static_cast<std::size_t>(result.state)], result.text.c_str());
  for (const std::string& note : result.notes) {
    std::printf("note: %s\n", note.c_str());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 2), argv + argc);
  const std::string command = argc > 1 ? argv[1] : "";
  if (command == "sign") {
    return sign(words);
  }
  if (command == "record" && words.size() == 3) {
    std::printf("%s\n", load(words[0])->zone_line(words[1], words[2]).c_str());
    return 0;
  }
  if (command == "check" && !words.empty()) {
    return check(words);
  }
  fail("usage: sign_message sign|record|check ...");
}
