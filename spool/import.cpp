#include "spool/import.h"

#include <algorithm>
#include <deque>
#include <set>

#include "core/base/text.h"
#include "spool/folder.h"
#include "spool/import_disk.h"
#include "spool/log.h"

namespace ringpost::spool {

namespace {

constexpr std::string_view kLedger = "/import";     ///< in the log's folder: ids, one a line
constexpr std::string_view kFresh = "/import.new";  ///< in the spool's: what is being made
constexpr std::size_t kCommitsAtOnce = 256;

/// Nobody schedules or accounts yet.
class NoUsers final : public AdmissionSink, public OutcomeSink, public LetterHandler {
 public:
  bool admit(const Admission&) override { return true; }
  bool account(const SettledRecord&) override { return false; }
  std::uint64_t archived(std::uint16_t) const override { return 0; }
  void on_letter(const Letter&, Now) override {}
};

/// What the content says of itself, and its wire form.
bool to_wire(const std::string& plain, std::string& wire, ContentInfo& info) {
  wire.clear();
  wire.reserve(plain.size() + plain.size() / 64 + 5);
  info = ContentInfo{};
  info.size = static_cast<std::uint32_t>(plain.size());
  for (std::size_t at = 0; at < plain.size();) {
    const std::size_t end = plain.find("\r\n", at);
    if (end == std::string::npos) {
      return false;
    }
    const std::string_view line = std::string_view(plain).substr(at, end - at);
    if (line.find_first_of("\r\n") != std::string_view::npos) {
      return false;
    }
    if (!line.empty() && line.front() == '.') {
      wire += '.';
      info.dot_lines = true;
    }
    wire += line;
    wire += "\r\n";
    if (line.empty() && info.header_bytes == 0) {
      info.header_bytes = static_cast<std::uint32_t>(wire.size());
    }
    at = end + 2;
  }
  if (info.header_bytes == 0) {
    info.header_bytes = static_cast<std::uint32_t>(wire.size());
  }
  wire += ".\r\n";
  info.wire_bytes = static_cast<std::uint32_t>(wire.size());
  info.eight_bit = std::any_of(plain.begin(), plain.end(),
                               [](char c) { return (static_cast<unsigned char>(c) & 0x80) != 0; });
  return true;
}

SpoolOptions options_for(const std::string& folder, std::uint64_t largest) {
  SpoolOptions options;
  options.folder = folder;
  const std::uint64_t wire = largest + largest / 8 + (1 << 20);
  options.segment_bytes = std::max<std::uint64_t>(options.segment_bytes, align_up(3 * wire, 4096));
  options.message_max =
      static_cast<std::uint32_t>(std::max<std::uint64_t>(options.message_max, wire));
  options.spare_segments = 1;
  options.spare_segments_max = 1;
  options.journal_reserve_segments = 1;
  options.compact_percent = 0;
  return options;
}

/// A log that is being filled.
class Importer {
 public:
  Importer(Disk& disk, Entropy& entropy, SpoolOptions options, std::uint16_t number,
           const Uuid& spool, Now now)
      : options_(std::move(options)),
        prompt_(disk),
        driver_(prompt_, now),
        loop_(0, driver_, mailroom_, users_),
        chunks_(options_.chunk_bytes, options_.chunks),
        log_(options_, number, spool, &chunks_,
             LogPorts{loop_, prompt_, entropy, users_, users_, nullptr}),
        hook_(log_) {}

  Status start() {
    const auto found = log_.start();
    if (!found) {
      return found.error();
    }
    loop_.add_hook(hook_);
    return {};
  }
  /// Not durable before finish().
  Status take(const ImportMessage& message, const std::string& wire, const ContentInfo& info,
              ImportFigures& figures);
  Status settle_commits();
  Status finish();

 private:
  struct Commit : CommitOp {
    std::vector<RecipientState> states;
    std::vector<std::string> owed;
    bool done = false;
    void on_done(Completion&) { done = true; }
  };
  struct Hook : TurnHook {
    explicit Hook(Log& the_log) : log(the_log) {}
    bool end_of_turn(Now now) override { return log.end_of_turn(now); }
    Log& log;
  };
  struct Room : Completion {
    bool there = false;
    void on_room(Completion&) { there = true; }
  };

  void turn() { loop_.turn(loop_.now().instant + Duration::milliseconds(50)); }
  Status write(MessageWriter& writer, const std::string& wire);

  NoUsers users_;
  SpoolOptions options_;
  PromptDisk prompt_;
  PromptDriver driver_;
  Mailroom mailroom_{1, 16};
  Loop loop_;
  ChunkPool chunks_;
  Log log_;
  Hook hook_;
  std::deque<Commit> commits_;
};

Status Importer::write(MessageWriter& writer, const std::string& wire) {
  constexpr std::size_t kRun = 32 << 10;
  for (std::size_t at = 0; at < wire.size(); at += kRun) {
    Room room;
    room.bind<&Room::on_room>(&room);
    for (bool wait = !writer.has_room(room); wait && !room.there;) {
      turn();
    }
    if (const Status added = writer.append(std::string_view(wire).substr(at, kRun)); !added) {
      return added;
    }
  }
  return {};
}

Status Importer::take(const ImportMessage& message, const std::string& wire,
                      const ContentInfo& info, ImportFigures& figures) {
  Result<MessageWriter*> writer = log_.begin(wire.size());
  for (int tries = 0; !writer && tries < 1'000; ++tries) {
    turn();  // the first segment is being made, or buffers are in use
    writer = log_.begin(wire.size());
  }
  if (!writer) {
    return writer.error();
  }
  if (const Status written = write(**writer, wire); !written) {
    (*writer)->abandon();
    return written;
  }
  Commit& commit = commits_.emplace_back();
  commit.bind<&Commit::on_done>(&commit);
  std::vector<Recipient> recipients;
  for (const ImportRecipient& from : message.recipients) {
    recipients.push_back({from.address, from.original, from.notify, from.vmta, from.pool_key,
                          from.alone, from.priority});
    RecipientState state;
    state.attempts = from.attempts;
    state.next_s = from.next_attempt;
    state.set_delays(from.delays);
    if (from.ambiguous) {
      state.set(RecipientState::kAmbiguous);
    }
    commit.states.push_back(state);
    commit.owed.push_back(from.owed);
    (from.owed.empty() ? figures.recipients : figures.reports) += 1;
  }
  const ByteRange kept[] = {{0, info.wire_bytes}};
  Submission submission;
  Envelope& envelope = submission.envelope;
  envelope.reverse_path = message.reverse_path;
  envelope.recipients = recipients;
  envelope.envelope_id = message.envelope_id;
  envelope.vmta = message.vmta;
  envelope.job = message.job;
  envelope.sender_rule = message.sender_rule;
  envelope.user = message.user;
  envelope.helo = message.helo;
  envelope.noted = message.noted;
  envelope.origin = message.origin;
  envelope.received = {message.received_us};
  envelope.dsn_return = message.dsn_return;
  envelope.body = message.body;
  envelope.smtputf8 = message.smtputf8;
  envelope.reports = message.reports;
  envelope.verp = message.verp;
  submission.content = info;
  submission.edits.kept = kept;
  submission.signing.options = message.dkim_options;
  (*writer)->commit(submission, commit);
  ++figures.messages;
  return commits_.size() < kCommitsAtOnce ? Status{} : settle_commits();
}

Status Importer::settle_commits() {
  const auto done = [&] {
    return std::all_of(commits_.begin(), commits_.end(), [](const Commit& c) { return c.done; });
  };
  while (!done()) {
    turn();
  }
  for (const Commit& commit : commits_) {
    SpoolHandle handle;
    if (commit.result != 0 || !log_.find(commit.id, handle)) {
      return Error::of(code_from_errno(-commit.result), "a message could not be written");
    }
    for (std::uint32_t i = 0; i < commit.states.size(); ++i) {
      if (!log_.restore(handle, i, commit.states[i], commit.owed[i])) {
        return Error::of(ErrorCode::damaged, "an ending cannot be read");
      }
    }
  }
  commits_.clear();
  return {};
}

Status Importer::finish() {
  if (const Status settled = settle_commits(); !settled) {
    return settled;
  }
  log_.stop();
  while (!log_.stopped()) {
    turn();
  }
  const SpoolStats stats = log_.stats();
  return stats.failed_commits + stats.journal_errors == 0 && !prompt_.failed()
             ? Status{}
             : Error::of(ErrorCode::io_failed, "the disk failed");
}

/// Ids that earlier imports took.
Status read_ledgers(Disk& disk, const std::string& folder, const std::vector<std::uint16_t>& logs,
                    std::set<std::string>& ids) {
  for (const std::uint16_t number : logs) {
    const auto file = disk.open(log_folder(folder, number) + std::string(kLedger), false);
    if (!file && file.error().code == ErrorCode::not_found) {
      continue;
    }
    if (!file) {
      return file.error();
    }
    const auto size = disk.size(*file);
    std::string text(size ? *size : 0, '\0');
    const auto got = disk.read(*file, 0, text);
    disk.close(*file);
    if (!got || *got != text.size()) {
      return got ? Error::of(ErrorCode::io_failed, "an import's ledger cannot be read")
                 : got.error();
    }
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      ids.insert(text.substr(at, end - at));
      at = end + 1;
    }
  }
  return {};
}

/// What an import that was cut short has left.
Status clear(Disk& disk, const std::string& fresh) {
  const auto names = disk.list(fresh);
  if (!names) {
    return names.error().code == ErrorCode::not_found ? Status{} : names.error();
  }
  for (const std::string& log : *names) {
    const auto files = disk.list(fresh + "/" + log);
    for (std::size_t i = 0; files && i < files->size(); ++i) {
      if (const Status gone = disk.unlink(fresh + "/" + log + "/" + (*files)[i]); !gone) {
        return gone;
      }
    }
  }
  return {};
}

Status make_folder(Disk& disk, const std::string& path) {
  const Status made = disk.make_folder(path);
  return made || made.error().code == ErrorCode::already_exists ? Status{} : made;
}

/// Spares that were not used have this program's sizes, not the daemon's: it shall not meet them.
Status drop_spares(Disk& disk, const std::string& log) {
  const auto names = disk.list(log);
  for (std::size_t i = 0; names && i < names->size(); ++i) {
    const std::string path = log + "/" + (*names)[i];
    char sector[kSector] = {};
    const auto file = disk.open(path, false);
    const auto got = file ? disk.read(*file, 0, sector) : Result<std::size_t>(file.error());
    if (file) {
      disk.close(*file);
    }
    if (!got) {
      return got.error();
    }
    const auto header = decode_segment_header({sector, *got});
    if (!header || header->kind == SegmentKind::free) {
      if (const Status gone = disk.unlink(path); !gone) {
        return gone;
      }
    }
  }
  return names ? Status{} : names.error();
}

Status put_in_place(Disk& disk, const std::string& folder, std::uint16_t number,
                    const std::string& ledger) {
  const std::string fresh = folder + std::string(kFresh);
  const std::string log = log_folder(fresh, number);
  if (const Status dropped = drop_spares(disk, log); !dropped) {
    return dropped;
  }
  const auto file = disk.create(log + std::string(kLedger));
  if (!file) {
    return file.error();
  }
  Status done = disk.write_now(*file, 0, ledger, true);
  disk.close(*file);
  done = done ? disk.sync_folder(log) : done;
  done = done ? disk.sync_folder(fresh) : done;
  // From here on the messages are there.
  done = done ? disk.rename(log, log_folder(folder, number)) : done;
  done = done ? disk.sync_folder(folder) : done;
  return done ? disk.sync_folder(fresh) : done;
}

Status take_all(Importer& importer, ImportSource& source, std::set<std::string>& known,
                std::string& ledger, ImportFigures& figures) {
  ImportMessage message;
  std::string wire;
  ContentInfo info;
  for (;;) {
    message = ImportMessage{};
    const auto more = source.next(message);
    if (!more || !*more) {
      return more ? Status{} : more.error();
    }
    if (known.count(message.id) > 0) {
      ++figures.already;
      continue;
    }
    if (message.recipients.empty() || !to_wire(message.content, wire, info)) {
      source.refused(message, message.recipients.empty()
                                  ? "it has no recipients"
                                  : "a line of its content does not end in CR LF");
      ++figures.refused;
      continue;
    }
    if (const Status taken = importer.take(message, wire, info, figures); !taken) {
      return taken;
    }
    known.insert(message.id);
    ledger += message.id + "\n";
  }
}

}  // namespace

Result<ImportFigures> import_messages(Disk& disk, Entropy& entropy, const std::string& folder,
                                      const std::string& spool_of_archive, Now now,
                                      ImportSource& source) {
  auto spool = SpoolFolder::open(disk, entropy, folder, 1, "ringpost spool import");
  if (!spool) {
    return spool.error().code == ErrorCode::locked
               ? Error::of(ErrorCode::locked, folder + " is in use by process " +
                                                  spool.error().detail + "; stop the daemon first")
               : spool.error();
  }
  if (uuid_text(spool->id()) == spool_of_archive) {
    return Error::of(ErrorCode::already_exists,
                     "the archive was exported from this very spool: its messages are in it");
  }
  const auto listing = list_spool(disk, folder);
  if (!listing) {
    return listing.error();
  }
  ImportFigures figures;
  figures.log = static_cast<std::uint16_t>(std::max<int>(listing->logs.back() + 1, 1000));
  if (figures.log > 9999) {
    return Error::of(ErrorCode::no_capacity, "no number is left for a log");
  }
  std::set<std::string> known;
  const std::string fresh = folder + std::string(kFresh);
  Status ready = read_ledgers(disk, folder, listing->logs, known);
  ready = ready ? clear(disk, fresh) : ready;
  ready = ready ? make_folder(disk, fresh) : ready;
  ready = ready ? make_folder(disk, log_folder(fresh, figures.log)) : ready;
  if (!ready) {
    return ready.error();
  }
  std::string ledger;
  {
    Importer importer(disk, entropy, options_for(fresh, source.largest()), figures.log, spool->id(),
                      now);
    Status done = importer.start();
    done = done ? take_all(importer, source, known, ledger, figures) : done;
    done = done ? importer.finish() : done;
    if (!done) {
      return done.error();
    }
  }
  if (figures.messages == 0) {
    const Status cleared = clear(disk, fresh);
    return cleared ? Result<ImportFigures>(figures) : cleared.error();
  }
  if (const Status placed = put_in_place(disk, folder, figures.log, ledger); !placed) {
    return placed.error();
  }
  return figures;
}

}  // namespace ringpost::spool
