#include "spool/folder.h"

#include <algorithm>

#include "core/base/text.h"

namespace ringpost::spool {

namespace {

constexpr std::string_view kIdentityName = "/spool";
constexpr std::string_view kLogPrefix = "log-";

Status ensure_folder(Disk& disk, const std::string& folder) {
  const Status made = disk.make_folder(folder);
  if (made || made.error().code == ErrorCode::already_exists) {
    return {};
  }
  return made;
}

Result<Uuid> read_identity(Disk& disk, const std::string& folder) {
  const auto file = disk.open(folder + std::string(kIdentityName), false);
  if (!file) {
    return file.error();
  }
  char bytes[kIdentityBytes] = {};
  const auto got = disk.read(*file, 0, bytes);
  disk.close(*file);
  if (!got) {
    return got.error();
  }
  return decode_identity({bytes, *got});
}

Result<Uuid> write_identity(Disk& disk, Entropy& entropy, const std::string& folder) {
  Uuid id{};
  entropy.fill(id);
  char bytes[kIdentityBytes];
  encode_identity(id, bytes);
  const std::string fresh = folder + std::string(kIdentityName) + ".new";
  auto file = disk.create(fresh);
  if (!file && file.error().code == ErrorCode::already_exists) {
    file = disk.open(fresh, true);  // left by a start that was cut short
  }
  if (!file) {
    return file.error();
  }
  const Status written = disk.write_now(*file, 0, {bytes, sizeof bytes}, true);
  disk.close(*file);
  if (!written) {
    return written.error();
  }
  if (const Status renamed = disk.rename(fresh, folder + std::string(kIdentityName)); !renamed) {
    return renamed.error();
  }
  if (const Status synced = disk.sync_folder(folder); !synced) {
    return synced.error();
  }
  return id;
}

Result<std::vector<std::uint16_t>> find_logs(Disk& disk, const std::string& folder) {
  const auto names = disk.list(folder);
  if (!names) {
    return names.error();
  }
  std::vector<std::uint16_t> logs;
  for (const std::string& name : *names) {
    if (const std::int32_t number = log_number(name); number >= 0) {
      logs.push_back(static_cast<std::uint16_t>(number));
    }
  }
  std::sort(logs.begin(), logs.end());
  return logs;
}

}  // namespace

std::string uuid_text(const Uuid& id) {
  char room[32];
  TextBuilder text(room);
  for (const unsigned char octet : id) {
    text.add_hex(octet, 2);
  }
  return std::string(text.view());
}

std::string log_folder(const std::string& root, std::uint16_t number) {
  char digits[4];
  for (int i = 3; i >= 0; --i) {
    digits[i] = static_cast<char>('0' + number % 10);
    number = static_cast<std::uint16_t>(number / 10);
  }
  std::string path = root + "/";
  path += kLogPrefix;
  path.append(digits, sizeof digits);
  return path;
}

std::int32_t log_number(std::string_view name) {
  std::uint16_t number = 0;
  const bool is = name.size() == kLogPrefix.size() + 4 &&
                  name.substr(0, kLogPrefix.size()) == kLogPrefix &&
                  parse_decimal(name.substr(kLogPrefix.size()), number);
  return is ? number : -1;
}

Result<SpoolFolder> SpoolFolder::open(Disk& disk, Entropy& entropy, const std::string& folder,
                                      unsigned shards, std::string_view note) {
  RP_ASSERT(shards > 0 && shards < 10'000);
  SpoolFolder spool;
  spool.shards_ = shards;
  if (const Status made = ensure_folder(disk, folder); !made) {
    return made.error();
  }
  auto lock = disk.lock(folder + "/lock", note);
  if (!lock) {
    return lock.error();
  }
  spool.lock_ = std::move(*lock);
  auto logs = find_logs(disk, folder);
  if (!logs) {
    return logs.error();
  }
  auto id = read_identity(disk, folder);
  if (!id && id.error().code == ErrorCode::not_found) {
    if (!logs->empty()) {
      return Error::of(ErrorCode::damaged,
                       folder + ": there are logs, but the identity file is missing");
    }
    id = write_identity(disk, entropy, folder);
  }
  if (!id) {
    return Error::of(id.error().code, folder + ": " + id.error().detail);
  }
  spool.id_ = *id;
  spool.logs_ = std::move(*logs);
  bool made_any = false;
  for (unsigned shard = 0; shard < shards; ++shard) {
    const auto number = static_cast<std::uint16_t>(shard);
    if (std::find(spool.logs_.begin(), spool.logs_.end(), number) == spool.logs_.end()) {
      if (const Status made = ensure_folder(disk, log_folder(folder, number)); !made) {
        return made.error();
      }
      spool.logs_.push_back(number);
      made_any = true;
    }
  }
  if (made_any) {
    if (const Status synced = disk.sync_folder(folder); !synced) {
      return synced.error();
    }
  }
  std::sort(spool.logs_.begin(), spool.logs_.end());
  return spool;
}

std::vector<std::uint16_t> SpoolFolder::logs_of(unsigned shard) const {
  std::vector<std::uint16_t> logs{static_cast<std::uint16_t>(shard)};
  for (const std::uint16_t log : logs_) {
    if (log >= shards_ && log % shards_ == shard) {
      logs.push_back(log);
    }
  }
  return logs;
}

Result<SpoolListing> list_spool(Disk& disk, const std::string& folder) {
  auto logs = find_logs(disk, folder);
  if (!logs) {
    return logs.error();
  }
  auto id = read_identity(disk, folder);
  if (!id) {
    return Error::of(id.error().code, folder + ": " + id.error().detail);
  }
  return SpoolListing{*id, std::move(*logs)};
}

}  // namespace ringpost::spool
