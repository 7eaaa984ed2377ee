#include "spool/tools.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/mail/message_id.h"
#include "spool/folder.h"
#include "spool/journal_record.h"
#include "spool/record_reader.h"
#include "spool/segment_scan.h"

namespace ringpost::spool {

namespace {

/// A spool opened by a tool: its lock and listing.
struct Opened {
  std::unique_ptr<FileLock> lock;
  SpoolListing listing;
};

Result<Opened> open_stopped(Disk& disk, const std::string& folder) {
  auto listing = list_spool(disk, folder);
  if (!listing) {
    return listing.error();
  }
  auto lock = disk.lock(folder + "/lock", "ringpost spool");
  if (!lock) {
    return lock.error().code == ErrorCode::locked
               ? Error::of(ErrorCode::locked, folder + " is in use by process " +
                                                  lock.error().detail + "; stop the daemon first")
               : lock.error();
  }
  return Opened{std::move(*lock), std::move(*listing)};
}

/// One log read for a tool; closes its files at the end.
struct ReadLog {
  ReadLog(Disk& the_disk, std::uint16_t log, ToolProgress* who)
      : disk(the_disk), number(log), progress(who), slots(kNone - 1) {}
  ReadLog(const ReadLog&) = delete;
  ReadLog& operator=(const ReadLog&) = delete;
  ~ReadLog() {
    for (auto* segments : {&image.acceptance, &image.journal}) {
      for (const auto& segment : *segments) {
        segment->mapping.reset();
        disk.close(segment->file);
      }
    }
  }

  Status read(const std::string& folder, const Uuid& spool) {
    RecoverySource source{disk, log_folder(folder, number), number, spool, 0, 0, false, progress};
    auto found = read_log(source, slots, report);
    if (!found) {
      return found.error();
    }
    image = std::move(*found);
    return {};
  }

  void tell(std::string_view purpose, std::size_t done, std::size_t total) const {
    if (progress != nullptr) {
      progress->on_segment(purpose, number, done, total);
    }
  }

  Disk& disk;
  std::uint16_t number;
  ToolProgress* progress;
  SlotTable slots;
  LogImage image;
  RecoveryReport report;
};

/// Calls visit(segment, entry, slot) for each unsettled message of the log.
template <class Visit>
void for_each_live(ReadLog& log, std::string_view purpose, Visit visit) {
  const std::size_t total = log.image.acceptance.size();
  for (std::size_t i = 0; i < total; ++i) {
    const auto& segment = log.image.acceptance[i];
    log.tell(purpose, i, total);
    std::size_t position = 0;
    while (const auto entry = next_summary_entry(segment->summary, position)) {
      const std::uint32_t index =
          entry->local < segment->slots.size() ? segment->slots[entry->local] : kNone;
      if (index != kNone) {
        visit(*segment, *entry, log.slots[index]);
      }
    }
  }
}

std::uint32_t unsettled_of(const MessageSlot& slot) {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < slot.recipients; ++i) {
    count += slot.state(i).has(RecipientState::kSettled) ? 0 : 1;
  }
  return count;
}

void count_entry(const SummaryEntry& entry, const MessageSlot& slot, LogFigures& figures) {
  figures.live_bytes += entry.bytes;
  if (figures.oldest_us == 0 || entry.received_us < figures.oldest_us) {
    figures.oldest_us = entry.received_us;
  }
  IndexReader groups(entry.index);
  std::uint32_t at = 0;
  for (IndexGroup group; groups.next(group);) {
    const std::uint32_t end = std::min(slot.recipients, at + group.count);
    for (; at < end; ++at) {
      if (!slot.state(at).has(RecipientState::kSettled)) {
        ++figures.domains[to_lower(group.domain)];
      }
    }
  }
}

void verify_messages(ReadLog& log) {
  std::string bytes;
  const Segment* held = nullptr;
  const auto verify = [&](const Segment& segment, const SummaryEntry& entry, const MessageSlot&) {
    if (held != &segment) {
      held = &segment;
      read_all(log.disk, segment.file, segment.header.size, bytes);
    }
    OpenedRecord record;
    if (!read_record(bytes, segment.header.generation, entry.head, true, record)) {
      ++log.report.damaged_records;
      log.report.notes.push_back(segment.path + ": record " + std::to_string(entry.local) +
                                 " at offset " + std::to_string(entry.head) + " is damaged");
    }
  };
  for_each_live(log, "reading messages", verify);
}

/// Sequences of one segment end where the next one says it begins.
struct JournalEnd {
  std::uint64_t next = 0;   ///< the next sequence wanted
  std::uint64_t limit = 0;  ///< the last one that counts in this segment
};

Status read_batch_outcomes(const JournalBatchView& batch, std::uint16_t log, JournalEnd& end,
                           OutcomeReader& reader, std::uint64_t& count, std::uint64_t& lost) {
  Decoder decode(batch.body);
  for (std::uint64_t sequence = batch.header.first;
       sequence <= std::min(batch.header.last, end.limit); ++sequence) {
    const auto record = next_journal_record(decode);
    if (!record) {
      lost += std::min(batch.header.last, end.limit) + 1 - sequence;
      break;
    }
    OutcomeFields fields;
    const AccountRead read =
        sequence < end.next ? AccountRead::nothing : read_for_accounting(*record, fields);
    lost += read == AccountRead::damaged ? 1 : 0;
    if (read != AccountRead::record) {
      continue;
    }
    if (fields.elsewhere && !reader.elsewhere_too()) {
      continue;
    }
    fields.record.log = log;
    fields.record.sequence = sequence;
    if (const Status taken = reader.on_outcome(fields.record); !taken) {
      return taken;
    }
    ++count;
  }
  return {};
}

Status read_log_outcomes(ReadLog& log, OutcomeReader& reader, std::uint64_t& count,
                         std::uint64_t& lost) {
  JournalEnd end;
  const auto& segments = log.image.journal;
  std::string bytes;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = *segments[i];
    log.tell("reading outcomes", i, segments.size());
    end.limit = i + 1 < segments.size() ? segments[i + 1]->header.first_sequence - 1
                                        : log.image.next_sequence - 1;
    end.next = std::max(end.next, segment.header.first_sequence);
    read_all(log.disk, segment.file, segment.header.size, bytes);
    std::uint64_t offset = segment.header.block_bytes;
    while (const auto batch = next_journal_batch(bytes, segment.header.generation, offset)) {
      if (batch->header.last < end.next || batch->header.first > end.limit) {
        continue;
      }
      lost += batch->header.first > end.next ? batch->header.first - end.next : 0;
      const Status read = read_batch_outcomes(*batch, log.number, end, reader, count, lost);
      if (!read) {
        return read;
      }
      end.next = std::min(batch->header.last, end.limit) + 1;
    }
  }
  return {};
}

Result<SpoolFigures> look(Disk& disk, const std::string& folder, bool verify,
                          ToolProgress* progress) {
  auto opened = open_stopped(disk, folder);
  if (!opened) {
    return opened.error();
  }
  SpoolFigures all;
  all.id = uuid_text(opened->listing.id);
  for (const std::uint16_t number : opened->listing.logs) {
    ReadLog log(disk, number, progress);
    if (const Status read = log.read(folder, opened->listing.id); !read) {
      return read.error();
    }
    LogFigures figures;
    figures.log = number;
    for (const auto& segment : log.image.acceptance) {
      figures.segments += segment->live > 0 || segment->keep ? 1 : 0;
      figures.bytes += segment->header.size;
    }
    for (const auto& segment : log.image.journal) {
      ++figures.journal_segments;
      figures.bytes += segment->header.size;
    }
    figures.spares = log.image.free_acceptance.size() + log.image.misfits.size();
    for_each_live(log, "counting",
                  [&](const Segment&, const SummaryEntry& entry, const MessageSlot& slot) {
                    count_entry(entry, slot, figures);
                  });
    if (verify) {
      verify_messages(log);
    }
    figures.report = log.report;
    all.total.add(log.report);
    all.logs.push_back(std::move(figures));
  }
  return all;
}

void add_json_text(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (octet < 0x20) {
      out += "\\u00";
      out += kHex[octet >> 4];
      out += kHex[octet & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

void add_json_field(std::string& out, std::string_view name, std::string_view text) {
  add_json_text(out, name);
  out += ':';
  add_json_text(out, text);
  out += ',';
}

void add_json_number(std::string& out, std::string_view name, std::uint64_t value, char after) {
  add_json_text(out, name);
  out += ':';
  out += std::to_string(value);
  out += after;
}

void add_json_flag(std::string& out, std::string_view name, bool value, char after) {
  add_json_text(out, name);
  out += value ? ":true" : ":false";
  out += after;
}

/// Endings that senders are still to be told of, in the form of a journal, by message and
/// recipient.
class OwedOutcomes final : public OutcomeReader {
 public:
  Status on_outcome(const SettledRecord& record) override {
    if (record.report_owed) {
      OutcomeFields fields;
      fields.record = record;
      fields.message = record.id.low;
      std::string& text = outcomes_[{record.id, record.recipient_index}];
      text.clear();
      StringOut out{text};
      Encoder encode(out);
      write_outcome_fields(encode, fields);
    }
    return {};
  }
  bool elsewhere_too() const override { return true; }
  /// Empty: its record was lost.
  std::string_view find(const MessageId& id, std::uint32_t recipient) const {
    const auto found = outcomes_.find({id, recipient});
    return found == outcomes_.end() ? std::string_view{} : found->second;
  }

 private:
  std::map<std::pair<MessageId, std::uint32_t>, std::string> outcomes_;
};

std::string hex_of(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kHex[static_cast<unsigned char>(c) >> 4];
    text += kHex[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

void describe_envelope(const OpenedRecord& record, std::string& line) {
  const Envelope& envelope = record.envelope;
  add_json_number(line, "received_us", static_cast<std::uint64_t>(envelope.received.us), ',');
  add_json_field(line, "from", envelope.reverse_path);
  add_json_field(line, "vmta", envelope.vmta);
  add_json_field(line, "job", envelope.job);
  add_json_field(line, "user", envelope.user);
  add_json_field(line, "envelope_id", envelope.envelope_id);
  add_json_field(line, "origin", envelope.origin.valid() ? envelope.origin.text() : "");
  add_json_field(line, "helo", envelope.helo);
  add_json_field(line, "noted", envelope.noted);
  add_json_field(line, "dkim_options", record.signing.options);
  add_json_field(line, "verp", envelope.has_verp() ? hex_of({envelope.verp.data(), 2}) : "");
  add_json_number(line, "sender_rule", envelope.sender_rule, ',');
  add_json_number(line, "ret", static_cast<std::uint64_t>(envelope.dsn_return), ',');
  add_json_number(line, "body", static_cast<std::uint64_t>(envelope.body), ',');
  add_json_flag(line, "smtputf8", envelope.smtputf8, ',');
  add_json_number(line, "reports", envelope.reports, ',');
  add_json_number(line, "size", record.head.content.size, ',');
}

std::string describe(const MessageId& id, const OpenedRecord& record, const MessageSlot& slot,
                     bool alone, const OwedOutcomes& owed) {
  std::string line = "{";
  const Envelope& envelope = record.envelope;
  add_json_field(line, "id", id.text());
  add_json_field(line, "file", id.text() + ".eml");
  describe_envelope(record, line);
  add_json_flag(line, "alone", alone, ',');
  line += "\"recipients\":[";
  bool first = true;
  for (std::uint32_t i = 0; i < slot.recipients; ++i) {
    const RecipientState& state = slot.state(i);
    const std::string_view ending =
        state.has(RecipientState::kOwed) ? owed.find(id, i) : std::string_view{};
    if (state.has(RecipientState::kSettled) && ending.empty()) {
      continue;
    }
    line += first ? "{" : ",{";
    first = false;
    add_json_field(line, "address", envelope.recipients[i].address);
    add_json_field(line, "original", envelope.recipients[i].original);
    add_json_field(line, "vmta", envelope.recipients[i].vmta);
    add_json_number(line, "notify", envelope.recipients[i].notify, ',');
    add_json_number(line, "attempts", state.attempts, ',');
    add_json_number(line, "next_attempt", state.next_s, ',');
    add_json_number(line, "pool_key", envelope.recipients[i].pool_key, ',');
    add_json_number(line, "priority", envelope.recipients[i].priority, ',');
    add_json_number(line, "delays", state.delays(), ',');
    add_json_field(line, "owed", hex_of(ending));
    add_json_flag(line, "ambiguous", state.has(RecipientState::kAmbiguous), '}');
  }
  line += "]}\n";
  return line;
}

Status write_file(Disk& disk, const std::string& path, std::string_view bytes) {
  const auto file = disk.create(path);
  if (!file) {
    return file.error();
  }
  const Status written = disk.write_now(*file, 0, bytes, true);
  disk.close(*file);
  return written;
}

/// An export under way: its target and the list file.
class Exporter {
 public:
  Exporter(Disk& disk, std::string target, ToolProgress* progress)
      : disk_(disk), target_(std::move(target)), progress_(progress) {}

  Status begin() {
    const Status made = disk_.make_folder(target_);
    if (!made && made.error().code != ErrorCode::already_exists) {
      return made;
    }
    const auto list = disk_.create(target_ + "/messages.jsonl");
    if (!list) {
      return list.error();
    }
    list_ = *list;
    return {};
  }

  Status log(const std::string& folder, std::uint16_t number, const Uuid& spool) {
    ReadLog log(disk_, number, progress_);
    if (const Status read = log.read(folder, spool); !read) {
      return read;
    }
    OwedOutcomes owed;
    std::uint64_t count = 0;
    std::uint64_t lost = 0;
    if (log.report.reports_owed > 0) {
      if (const Status read = read_log_outcomes(log, owed, count, lost); !read) {
        return read;
      }
    }
    std::string bytes;
    const Segment* held = nullptr;
    Status status;
    for_each_live(log, "exporting",
                  [&](const Segment& segment, const SummaryEntry& entry, const MessageSlot& slot) {
                    if (!status) {
                      return;
                    }
                    if (held != &segment) {
                      held = &segment;
                      read_all(disk_, segment.file, segment.header.size, bytes);
                    }
                    status = message(bytes, segment, entry, slot, owed);
                  });
    figures.report.add(log.report);
    return status;
  }

  Status end() {
    disk_.close(list_);
    return disk_.sync_folder(target_);
  }

  ExportFigures figures;

 private:
  Status message(std::string_view bytes, const Segment& segment, const SummaryEntry& entry,
                 const MessageSlot& slot, const OwedOutcomes& owed) {
    const MessageId id = segment.id_of(entry.local);
    std::uint32_t reports = 0;
    for (std::uint32_t i = 0; i < slot.recipients; ++i) {
      const bool owes = slot.state(i).has(RecipientState::kOwed);
      reports += owes && !owed.find(id, i).empty() ? 1 : 0;
    }
    const std::uint32_t unsettled = unsettled_of(slot);
    if (unsettled + reports == 0) {
      return {};  // stays for a report whose ending cannot be read any more
    }
    OpenedRecord record;
    if (!read_record(bytes, segment.header.generation, entry.head, true, record) ||
        record.recipients.size() != slot.recipients) {
      ++figures.damaged;
      return {};
    }
    std::string wire(record.prefix);
    for (const ByteRange& range : record.kept) {
      wire += record.content.substr(range.begin, range.size());
    }
    if (const Status written =
            write_file(disk_, target_ + "/" + id.text() + ".eml", unstuffed(wire));
        !written) {
      return written;
    }
    const std::string line = describe(id, record, slot, IndexReader(entry.index).alone(), owed);
    const Status listed = disk_.write_now(list_, list_bytes_, line, true);
    list_bytes_ += line.size();
    ++figures.messages;
    figures.recipients += unsettled;
    figures.reports += reports;
    return listed;
  }

  Disk& disk_;
  std::string target_;
  ToolProgress* progress_;
  FileId list_;
  std::uint64_t list_bytes_ = 0;
};

}  // namespace

Result<std::uint64_t> read_outcomes(Disk& disk, const std::string& folder, OutcomeReader& reader,
                                    std::uint64_t& lost, ToolProgress* progress) {
  auto opened = open_stopped(disk, folder);
  if (!opened) {
    return opened.error();
  }
  std::uint64_t count = 0;
  lost = 0;
  for (const std::uint16_t number : opened->listing.logs) {
    ReadLog log(disk, number, progress);
    Status read = log.read(folder, opened->listing.id);
    if (read) {
      read = read_log_outcomes(log, reader, count, lost);
    }
    if (!read) {
      return read.error();
    }
  }
  return count;
}

Result<SpoolFigures> stat(Disk& disk, const std::string& folder, ToolProgress* progress) {
  return look(disk, folder, false, progress);
}

Result<SpoolFigures> check(Disk& disk, const std::string& folder, ToolProgress* progress) {
  return look(disk, folder, true, progress);
}

Result<ExportFigures> export_messages(Disk& disk, const std::string& folder,
                                      const std::string& target, ToolProgress* progress) {
  auto opened = open_stopped(disk, folder);
  if (!opened) {
    return opened.error();
  }
  Exporter exporter(disk, target, progress);
  if (const Status begun = exporter.begin(); !begun) {
    return begun.error();
  }
  const Status named = write_file(disk, target + "/spool-id", uuid_text(opened->listing.id) + "\n");
  if (!named) {
    return named.error();
  }
  for (const std::uint16_t number : opened->listing.logs) {
    if (const Status done = exporter.log(folder, number, opened->listing.id); !done) {
      return done.error();
    }
  }
  if (const Status ended = exporter.end(); !ended) {
    return ended.error();
  }
  return exporter.figures;
}

std::string unstuffed(std::string_view wire) {
  std::string plain;
  plain.reserve(wire.size());
  while (!wire.empty()) {
    const std::size_t end = wire.find("\r\n");
    const std::size_t size = end == std::string_view::npos ? wire.size() : end + 2;
    std::string_view line = wire.substr(0, size);
    wire.remove_prefix(size);
    if (line == ".\r\n" && wire.empty()) {
      break;
    }
    if (line.front() == '.') {
      line.remove_prefix(1);
    }
    plain += line;
  }
  return plain;
}

}  // namespace ringpost::spool
