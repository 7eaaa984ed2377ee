// room: sign
// Any content in wire form: hashes and fields come out the same however it is cut, the header
// section that is chosen from ends where the body begins, and the signature field is well formed.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "net/sign/author.h"
#include "net/sign/body_hasher.h"
#include "net/sign/header_section.h"
#include "net/sign/signing_input.h"

namespace {

using namespace ringpost::sign;  // NOLINT: a fuzz target

void need(bool condition) {
  if (!condition) {
    std::abort();
  }
}

BodyHasher hash(std::string_view wire, std::size_t piece) {
  BodyHasher hasher;
  hasher.start({true, true}, BodyHasher::Begin::content);
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    hasher.feed(wire.substr(at, piece));
  }
  hasher.finish();
  return hasher;
}

void read(std::string_view wire, std::size_t piece, HeaderSection& section) {
  for (std::size_t at = 0; at < wire.size(); at += piece) {
    section.feed(wire.substr(at, piece));
  }
  section.finish();
}

void check_same(const HeaderSection& a, const HeaderSection& b) {
  need(a.fields().size() == b.fields().size());
  for (std::size_t i = 0; i < a.fields().size(); ++i) {
    need(a.fields()[i].text == b.fields()[i].text && a.fields()[i].name == b.fields()[i].name);
    need(!a.fields()[i].name.empty() &&
         a.fields()[i].text.substr(a.fields()[i].text.size() - 2) == "\r\n");
  }
}

// Lines of at most 78 columns, each continuation with text; one CRLF ends the field.
void check_field(std::string_view field) {
  need(field.substr(0, 15) == "DKIM-Signature:");
  while (!field.empty()) {
    const std::size_t end = field.find("\r\n");
    need(end != std::string_view::npos && end > 1 && end <= 78);
    field.remove_prefix(end + 2);
    need(field.empty() || (field[0] == ' ' && field[1] != ' '));
  }
}

void check_signature(const HeaderSection& section, const BodyHasher& body, Canon canon) {
  SignatureOptions options;
  options.header = canon;
  options.body = canon;
  SignatureFacts facts;
  facts.domain = "example.com";
  facts.selector = "s";
  facts.body = body.hash(canon);
  SigningInput input;
  if (!input.make(options, facts, section).ok()) {
    need(section.find("From") == nullptr);
    return;
  }
  need(input.digest() == Sha256::of(input.canonical()));
  std::vector<SignedField> chosen;
  options.headers.select(section, chosen);
  need(chosen.size() >= 9);
  if (section.fields().size() < 50) {
    check_field(input.field(std::string(256, 's')));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view wire(reinterpret_cast<const char*>(data), size);
  const BodyHasher whole = hash(wire, size + 1);
  HeaderSection section;
  read(wire, size + 1, section);
  for (const std::size_t piece : {1U, 2U, 5U}) {
    const BodyHasher cut = hash(wire, piece);
    need(cut.hash(Canon::simple) == whole.hash(Canon::simple));
    need(cut.hash(Canon::relaxed) == whole.hash(Canon::relaxed));
    HeaderSection other;
    read(wire, piece, other);
    check_same(section, other);
  }
  check_signature(section, whole, Canon::simple);
  check_signature(section, whole, Canon::relaxed);
  for (const HeaderField& field : section.fields()) {
    const Author author = read_author(field.value());
    need(author.address.size() <= field.text.size());
    need(author.address.find('\n') == std::string::npos);
  }
  return 0;
}
