#include "core/app/account_settings.h"
#include "core/config/suggest.h"

#include <algorithm>

namespace ringpost::app {
namespace {

constexpr std::size_t kNotedFieldsMax = 64;

class ConfiguredRules final : public account::BounceRules {
 public:
  explicit ConfiguredRules(std::shared_ptr<const config::Snapshot> snapshot)
      : snapshot_(std::move(snapshot)) {}

  std::string_view category(std::string_view text) const override {
    const std::string_view own = snapshot_->bounce_categories().find(text);
    return own.empty() ? config::shipped_bounce_categories().find(text) : own;
  }

 private:
  std::shared_ptr<const config::Snapshot> snapshot_;
};

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) {
    text.append(text.empty() ? "" : ",").append(name);
  }
  return text;
}

/// The columns of a file: record-fields for the kinds it names, `fields` for the others.
Result<account::FieldList> columns_of(const config::AcctFile& file, std::uint8_t records) {
  auto base = account::parse_fields(joined(file.fields), records);
  if (!base) {
    return base.error();
  }
  std::vector<account::KindFields> kinds;
  std::uint8_t left = records;
  for (const config::AcctColumns& columns : file.columns) {
    const auto meant = static_cast<std::uint8_t>(account::records_of(columns.records) & records);
    if (meant == 0) {
      continue;  // kinds that the file does not show
    }
    auto fields = account::parse_fields(joined(columns.fields), meant);
    if (!fields) {
      return fields.error();
    }
    kinds.push_back({meant, std::move(*fields)});
    left = static_cast<std::uint8_t>(left & ~meant);
  }
  if (kinds.empty()) {
    return base;
  }
  if (left != 0) {
    kinds.push_back({left, std::move(*base)});
  }
  return account::join_fields(kinds);
}

Status fill(account::AccountFileSpec& spec, const config::AcctFile& file) {
  spec.path = file.path;
  spec.mode = file.world_readable ? 0644 : 0640;
  spec.records = account::records_of(file.records);
  auto fields = columns_of(file, spec.records);
  if (!fields) {
    return fields.error();
  }
  spec.style.fields = std::move(*fields);
  for (const config::HeaderColumn& column : file.header_columns) {
    const auto kinds =
        static_cast<std::uint8_t>(account::records_of({&column.record, 1}) & spec.records);
    if (kinds == 0) {
      continue;
    }
    const Status mapped =
        account::map_header(spec.style.fields, kinds, column.header, column.field);
    if (!mapped) {
      return mapped;
    }
  }
  spec.style.form =
      file.format == config::AcctFormat::json ? account::RowForm::json : account::RowForm::csv;
  spec.rotation.interval = file.move_interval;
  spec.rotation.max_size = file.max_size;
  spec.move_to = file.move_to;
  spec.packing = file.compress == config::Compression::gzip   ? account::Packing::gzip
                 : file.compress == config::Compression::zstd ? account::Packing::zstd
                                                              : account::Packing::none;
  spec.delete_after = file.delete_after;
  spec.style.iso_times = file.iso_times;
  spec.style.user_string_from = file.user_string == "from";
  spec.style.user_string = file.user_string;
  for (const std::string_view pattern : file.queue_filter) {
    const Status added = spec.queues.add(pattern);
    if (!added) {
      return added;
    }
  }
  return {};
}

}  // namespace

Result<account::LogWriterOptions> account_options(
    const std::shared_ptr<const config::Snapshot>& snapshot, unsigned shards,
    const account::SpoolId& spool) {
  account::LogWriterOptions options;
  options.shards = shards;
  options.spool = spool;
  options.bounce_rules = bounce_rules(snapshot);
  for (const config::AcctFile& file : snapshot->global().acct_files) {
    account::AccountFileSpec spec;
    const Status filled = fill(spec, file);
    if (!filled) {
      return Error::of(filled.error().code,
                       snapshot->place(file.origin) + ": acct-file: " + filled.error().detail);
    }
    options.sync_interval =
        file.sync ? Duration{} : std::min(options.sync_interval, file.sync_interval);
    options.files.push_back(std::move(spec));
  }
  return options;
}

config::FieldVerdict judge_field(std::string_view name) {
  config::FieldVerdict verdict;
  switch (account::look_up_field(name)) {
    case account::FieldName::recorded: break;
    case account::FieldName::empty:
      verdict.severity = config::Severity::warning;
      verdict.message =
          "the accounting field '" + std::string(name) + "' is not recorded; its column is empty";
      break;
    case account::FieldName::unknown: {
      std::vector<std::string_view> names;
      for (const account::FieldRow& row : account::field_table()) {
        names.push_back(row.name);
      }
      verdict.severity = config::Severity::error;
      verdict.message = "'" + std::string(name) + "' is not an accounting field";
      verdict.suggestion = config::nearest_name(name, names);
    }
  }
  return verdict;
}

std::vector<config::Diagnostic> check_accounts(const config::Snapshot& snapshot) {
  std::vector<config::Diagnostic> found;
  for (const config::AcctFile& file : snapshot.global().acct_files) {
    account::AccountFileSpec spec;
    if (const Status filled = fill(spec, file); !filled) {
      found.push_back(
          config::finding_at(snapshot, file.origin, "acct-file: " + filled.error().detail));
    }
  }
  return found;
}

std::vector<std::string> noted_headers(const config::Snapshot& snapshot) {
  std::vector<std::string> names;
  for (const config::AcctFile& file : snapshot.global().acct_files) {
    account::AccountFileSpec spec;
    if (!fill(spec, file)) {
      continue;  // said where the files are opened
    }
    account::collect_headers(spec.style.fields, names);
    if (spec.style.user_string_from &&
        std::find(names.begin(), names.end(), "from") == names.end()) {
      names.emplace_back("from");
    }
  }
  names.resize(std::min(names.size(), kNotedFieldsMax));
  return names;
}

std::shared_ptr<const account::BounceRules> bounce_rules(
    std::shared_ptr<const config::Snapshot> snapshot) {
  return std::make_shared<ConfiguredRules>(std::move(snapshot));
}

}  // namespace ringpost::app
