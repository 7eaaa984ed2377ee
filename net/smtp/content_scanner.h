#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/fixed_vector.h"
#include "core/mail/envelope.h"

namespace ringpost::smtp {

/// Header fields the scanner notes wherever they stand in the header section.
enum class KnownField : std::uint8_t { date, message_id, received, bcc, from, sender, control };

/// One noted field: its range in wire form, from its name to the CRLF that ends it.
struct FieldMark {
  ByteRange range;
  KnownField field = KnownField::control;
  std::uint8_t control = 0;       ///< which control field, as numbered by the configured list
  bool has_value = false;         ///< it is on that list: its value is kept
  bool value_cut = false;         ///< the value did not fit and is incomplete
  std::uint16_t value_begin = 0;  ///< value of a control field, in ContentSummary::values
  std::uint16_t value_size = 0;
};

inline constexpr std::size_t kFieldMarksMax = 64;
inline constexpr std::size_t kControlValueBytes = 544;
/// Octets that are kept of the value of a field that is only watched.
inline constexpr std::size_t kWatchedValueBytes = 128;

/// All that is known about a message when its last octet has come.
struct ContentSummary {
  ContentInfo info;
  std::uint32_t header_end = 0;  ///< where the last field ends and the empty line begins
  std::uint32_t header_fields = 0;
  std::uint32_t received_fields = 0;
  std::uint32_t longest_line = 0;  ///< octets, without CRLF and stuffing
  bool eight_bit_header = false;
  bool ends_with_bare_line = false;  ///< BDAT content lacked its last CRLF, which was added
  bool normalised = false;           ///< bare CR or LF were turned into CRLF
  FixedVector<FieldMark, kFieldMarksMax> fields;
  std::array<char, kControlValueBytes> values{};
  /// The first of each field asked for by name, as Envelope::noted.
  FixedVector<char, kNotedBytesMax> noted;

  std::string_view value_of(const FieldMark& mark) const {
    return {values.data() + mark.value_begin, mark.value_size};
  }
  bool has(KnownField field) const {
    for (const FieldMark& mark : fields) {
      if (mark.field == field) {
        return true;
      }
    }
    return false;
  }
};

/// How the content is transferred: dot-stuffed with DATA (RFC 5321 section 4.5.2), or as it is
/// with BDAT (RFC 3030).
enum class Transfer : std::uint8_t { data, bdat };

/// What a CR or LF that is not part of CRLF means.
enum class BareLineEnds : std::uint8_t {
  refuse,
  normalise,  ///< each becomes CRLF; such a line end never ends the message
};

/// Why content cannot be accepted; in order of precedence where several apply.
enum class ContentFault : std::uint8_t {
  none,
  bare_line_end,
  too_large,
  header_too_large,
  too_many_fields,
  mail_loop,        ///< more Received fields than allowed (RFC 5321 section 6.3)
  repeated_fields,  ///< more noted fields than kFieldMarksMax
  line_too_long,
};

struct ContentLimits {
  std::uint64_t message_bytes_max = 100U << 20;  ///< as RFC 1870 counts; at most 2 GiB
  std::uint32_t header_bytes_max = 256U << 10;
  std::uint32_t header_fields_max = 1000;
  std::uint32_t received_fields_max = 50;  ///< more means a mail loop
  std::uint32_t line_bytes_max = 1U << 20;
};

/// Takes the runs of content in wire form.
class ContentRuns {
 public:
  virtual ~ContentRuns() = default;
  /// `run` points into the bytes being fed, or to constants; it holds during the call.
  virtual void on_content(std::string_view run) = 0;
};

/// Reads the content of one message in pieces of any size: finds its end, hands it on in wire form
/// and notes what ContentSummary holds. Only CRLF.CRLF ends DATA; nothing else that some other
/// server might take for it passes (SMTP smuggling). Looks at 64 octets at a time; only line ends
/// and the header section cost more. No allocation. Single-threaded, reused by start().
class ContentScanner {
 public:
  /// Octets of a header line that are looked at; what control values say beyond is cut.
  static constexpr std::size_t kHeaderLookBytes = 512;

  /// `limits`, `controls` (lower-case field names) and `scratch` (at least kHeaderLookBytes) are
  /// used until the next start(). Controls from `watched` on are only looked at: the first field of
  /// the name is noted, and the beginning of its value kept.
  void start(Transfer transfer, BareLineEnds bare, const ContentLimits& limits,
             std::span<const std::string_view> controls, std::span<char> scratch,
             std::size_t watched = ~std::size_t{0});
  /// Names, in lower case, of fields whose values go to ContentSummary::noted; at most 64. Before
  /// start(); used until called again.
  void use_notes(std::span<const std::string_view> names) { note_names_ = names; }

  /// Reads on. Returns the octets consumed: all of them, unless the end of DATA stands before.
  std::size_t feed(std::string_view input, ContentRuns& runs);
  /// BDAT: the last octet has been fed. Ends the message.
  void finish(ContentRuns& runs);

  bool ended() const { return ended_; }
  /// Set as soon as it is known; no runs are handed on from there.
  ContentFault fault() const;
  /// Complete once ended().
  const ContentSummary& summary() const { return summary_; }

 private:
  enum class LineKind : std::uint8_t { unseen, field, other };
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  std::uint64_t raw_at(std::size_t p) const { return raw_base_ + p; }
  std::uint64_t wire_at(std::size_t p) const { return raw_base_ + p + inserted_; }
  void flush(std::size_t end);
  void insert(std::size_t at, std::string_view text);
  void end_of_bare_line(std::size_t at, bool cr);
  bool end_of_line(std::size_t end, std::size_t terminator_bytes);
  void begin_line(std::size_t at, bool proper);
  void look_at_first(std::size_t at);
  void take_held_cr(bool bare);
  void end_of_input(std::size_t consumed);
  void end_message(std::uint64_t wire_bytes);
  void check_partial_line(std::size_t size);
  void set(ContentFault fault) { faults_ |= 1U << static_cast<unsigned>(fault); }

  // Header section (content_scanner_header.cpp).
  void header_line_ended(std::size_t end);
  void keep_partial(std::size_t end);
  void classify(std::string_view line);
  void read_field(std::string_view name, std::string_view value, bool cut);
  bool is_marked(std::size_t control) const;
  void append_value(std::string_view text, bool cut);
  void begin_note(std::string_view name, std::string_view value);
  void add_to_note(std::string_view text);
  void end_note();
  void end_header(std::uint64_t fields_end, std::uint64_t body_begin, std::uint64_t raw);
  std::size_t line_begin_in_input() const;

  Transfer transfer_ = Transfer::data;
  BareLineEnds bare_ = BareLineEnds::refuse;
  bool ended_ = false;
  bool carry_cr_ = false;      ///< the last octet was CR
  bool held_cr_ = false;       ///< ... and was not handed on yet (normalise)
  bool at_line_start_ = true;  ///< the first octet of the line has not come
  bool line_proper_ = true;    ///< the line before ended with CRLF
  bool line_dot_ = false;      ///< the line begins with a dot
  bool in_header_ = true;
  bool field_open_ = false;    ///< a field began: continuation lines belong to it
  bool field_marked_ = false;  ///< ... and is the last mark
  LineKind line_kind_ = LineKind::unseen;
  std::uint32_t faults_ = 0;
  const ContentLimits* limits_ = nullptr;
  std::span<const std::string_view> controls_;
  std::span<const std::string_view> note_names_;
  std::uint64_t notes_seen_ = 0;  ///< a bit for each name
  std::size_t note_begin_ = 0;    ///< where the value of the open note begins
  bool note_open_ = false;
  std::size_t watched_ = ~std::size_t{0};
  std::span<char> scratch_;
  std::size_t partial_ = 0;  ///< octets of the current header line in scratch_
  std::size_t values_used_ = 0;
  std::string_view input_;
  std::size_t run_begin_ = 0;
  ContentRuns* runs_ = nullptr;
  std::uint64_t raw_base_ = 0;  ///< octets before input_
  std::uint64_t inserted_ = 0;  ///< octets of wire form that did not come
  std::uint64_t dots_ = 0;      ///< stuffed dots of ended lines
  std::uint64_t line_raw_ = 0;
  std::uint64_t line_wire_ = 0;
  std::uint64_t first_high_ = kNowhere;
  ContentSummary summary_;
};

}  // namespace ringpost::smtp
