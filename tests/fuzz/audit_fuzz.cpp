// room: audit
// Records of strangers: each line of the input is what one look-up finds. Evaluation must end,
// within the look-ups that RFC 7208 allows.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/audit/dmarc.h"
#include "net/audit/spf.h"

namespace {

using namespace ringpost;
using namespace ringpost::audit;

class Lines : public Lookup {
 public:
  explicit Lines(std::string_view text) : text_(text) {}

  Answer look_up(const std::string& name, RecordType type) override {
    if (++asked > 400) {
      std::abort();
    }
    Answer out;
    const std::size_t end = std::min(text_.find('\n'), text_.size());
    const std::string line(text_.substr(0, end));
    text_.remove_prefix(std::min(end + 1, text_.size()));
    out.state = line.empty() ? Answer::State::no_domain : Answer::State::found;
    switch (line.empty() ? RecordType::tlsa : type) {
      case RecordType::txt: out.texts = {line}; break;
      case RecordType::a:
      case RecordType::aaaa: out.addresses = {IpAddress::v4(192, 0, 2, 7)}; break;
      default: out.names = {line, name}; break;
    }
    return out;
  }
  int asked = 0;

 private:
  std::string_view text_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Lines spf(text);
  const SpfAnswer answer = check_spf(spf, IpAddress::v4(192, 0, 2, 7), "joe@d.test", "mx.example");
  if (answer.why.empty() || answer.lookups > 11) {
    std::abort();
  }
  DmarcRecord record;
  std::string fault;
  static_cast<void>(read_dmarc(text, record, fault));
  Lines dmarc(text);
  static_cast<void>(organisation_of(dmarc, "a.b.c.d.e.f.g.h.i.j.example"));
  return 0;
}
