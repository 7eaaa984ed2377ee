#include <algorithm>
#include <array>

#include "core/base/text.h"
#include "core/config/builder.h"
#include "core/config/suggest.h"

namespace ringpost::config {
namespace {

struct RecordKind {
  std::string_view name;
  std::string_view letter;
};

constexpr std::array<RecordKind, 9> kRecordKinds{{{"delivery", "d"},
                                                  {"bounce", "b"},
                                                  {"transient", "t"},
                                                  {"transient-queue", "tq"},
                                                  {"receipt", "r"},
                                                  {"received", "r"},
                                                  {"remote-bounce", "rb"},
                                                  {"remote-status", "rs"},
                                                  {"feedback-loop", "f"}}};

std::string_view record_letter(std::string_view name) {
  for (const RecordKind& kind : kRecordKinds) {
    if (equals_ignoring_case(name, kind.name) || equals_ignoring_case(name, kind.letter)) {
      return kind.letter;
    }
  }
  return {};
}

constexpr const char* kNoRecordKind = "unknown kind of record; d, b, t, tq and r are written";

std::vector<std::string_view> record_names() {
  std::vector<std::string_view> names;
  for (const RecordKind& kind : kRecordKinds) {
    names.push_back(kind.name);
  }
  return names;
}

bool is_written(std::string_view letter) {
  return letter != "rb" && letter != "rs" && letter != "f";
}

/// Mail that comes in has no queue yet.
bool belongs_to_a_queue(std::string_view letter) { return letter != "r" && is_written(letter); }

}  // namespace

bool Listener::single() const {
  const unsigned width = network.base.is_v4() ? 32 : 128;
  return network.prefix_bits == 0 || network.prefix_bits == width;
}

void Builder::add_global(const Section& root) {
  for (const Directive& directive : root.directives) {
    const OptionRow* row = accept(directive, Scope::global);
    if (row != nullptr) {
      add_global_directive(*row, directive);
    }
  }
  GlobalSettings& global = snapshot_->global_;
  if (global.host_names.empty()) {
    global.host_names.push_back(values_.keep(host_name_));
  }
  check_spool_sizes(root);
}

/// A message lies in one piece in one file of the spool, with its envelope before it.
void Builder::check_spool_sizes(const Section& root) {
  constexpr std::uint64_t kUnit = 4096;
  constexpr std::uint64_t kSmallest = std::uint64_t{128} << 10;
  constexpr std::uint64_t kEnvelopeRoom = std::uint64_t{128} << 10;
  constexpr std::uint64_t kTooLarge = std::uint64_t{4} << 30;
  const Directive* blamed = nullptr;
  for (const Directive& directive : root.directives) {
    const OptionRow* row = find_option(directive.name.text, Scope::global);
    const bool segment = row != nullptr && row->id == OptionId::spool_segment_size;
    const bool message = row != nullptr && row->id == OptionId::largest_message;
    blamed = segment || (message && blamed == nullptr) ? &directive : blamed;
  }
  if (blamed == nullptr) {
    return;
  }
  const GlobalSettings& global = snapshot_->global_;
  const Span span = ValueReader::span_of(*blamed);
  if (global.spool_segment_size % kUnit != 0 || global.spool_segment_size >= kTooLarge) {
    return log_->refuse(span, "spool-segment-size is a multiple of 4K below 4G");
  }
  // Without a limit of its own a message may be as large as the spool takes.
  const bool unlimited = global.max_message_size == kUnlimitedSize;
  const std::uint64_t largest =
      unlimited ? kSmallest : std::max(global.max_message_size, kSmallest);
  if (largest > global.spool_segment_size || global.spool_segment_size - largest < kEnvelopeRoom) {
    log_->refuse(span,
                 "the largest message must fit into one file of the spool with 128K to "
                 "spare: max-message-size is " +
                     format_size(global.max_message_size) + ", spool-segment-size is " +
                     format_size(global.spool_segment_size));
  }
}

void Builder::add_global_directive(const OptionRow& row, const Directive& directive) {
  GlobalSettings& global = snapshot_->global_;
  switch (row.id) {
    case OptionId::domain_macro: return;  // collected before everything else
    case OptionId::smtp_source_host: return add_source_hosts(directive, global_hosts_);
    case OptionId::smtp_source_ip: return add_source_hosts(directive, global_hosts_);
    case OptionId::name_server: return add_name_server(directive);
    case OptionId::domain_key: return add_domain_key(directive, snapshot_->domain_keys_);
    case OptionId::http_access: return add_http_access(directive);
    case OptionId::mx_connection_limit: return add_host_limit(directive, true);
    case OptionId::ip_connection_limit: return add_host_limit(directive, false);
    case OptionId::smtp_listener:
      if (directive.values.empty()) {
        return log_->error(directive.name.span, "'smtp-listener' needs ADDRESS:PORT");
      }
      return add_listener(directive.values[0],
                          {directive.values.begin() + 1, directive.values.end()}, nullptr);
    default: break;
  }
  const std::optional<Value> value = values_.read(row, directive);
  if (!value) {
    return;
  }
  const auto* text = std::get_if<std::string_view>(&*value);
  const Span span = ValueReader::span_of(directive);
  if (row.id == OptionId::host_name) {
    if (!is_host_name(*text)) {
      return log_->error(span, "not a host name");
    }
    global.host_names.push_back(*text);
  } else if (row.id == OptionId::domain_suffix && !is_host_name(*text)) {
    return log_->error(span, "not a domain");
  } else if (row.id == OptionId::postmaster) {
    global.postmasters.push_back(*text);
  } else if (row.id == OptionId::relay_address) {
    global.relay_addresses.push_back(*text);
  } else if (row.id == OptionId::http_api_key) {
    global.http_api_keys.push_back(std::get<Secret>(*value));
  } else if (row.id == OptionId::spool) {
    spool_folder(*text, span);
  } else if (row.id == OptionId::relay_domain) {
    const Result<DomainPattern> pattern = DomainPattern::parse(*text);
    if (!pattern.ok()) {
      return log_->error(span, pattern.error().detail);
    }
    snapshot_->relay_domains_.slot(*pattern, false) = 0;
    snapshot_->relay_domain_patterns_.push_back(*text);
  } else {
    const bool own = apply(global, row.id, *value) || apply(global.server_tls, row.id, *value);
    if (!own) {
      apply(snapshot_->source_defaults_, row.id, *value);
    }
    if (row.id == OptionId::auth_file) {
      key_files_.emplace_back(*text, span);
    } else if (row.id == OptionId::invalid_vmta_fallback) {
      vmta_uses_.emplace_back(*text, span);
    } else if (const auto* pem = std::get_if<const CertificateFile*>(&*value)) {
      global.server_tls.certificates.push_back(*pem);
      key_files_.emplace_back((*pem)->file, span);
    }
    store(snapshot_->global_written_, row, *value, directive);
  }
}

/// `NETWORK RIGHT`, the right with `,deny-logs`.
void Builder::add_http_access(const Directive& directive) {
  const Span span = ValueReader::span_of(directive);
  const std::vector<Word> words = ValueReader::list_of(directive.values);
  if (words.size() < 2 || words.size() > 3) {
    return log_->error(span, "http-access is written NETWORK none|monitor|operator|admin");
  }
  HttpAccess access;
  access.origin = origin_of(directive.name.span);
  const Result<IpNetwork> network = IpNetwork::parse(words[0].text);
  if (!network.ok()) {
    return log_->error(words[0].span, "not an address or network");
  }
  access.network = *network;
  constexpr std::array<std::string_view, 4> kRights{"none", "monitor", "operator", "admin"};
  const auto right = std::find_if(kRights.begin(), kRights.end(), [&words](std::string_view name) {
    return equals_ignoring_case(name, words[1].text);
  });
  if (right == kRights.end()) {
    return log_->error(words[1].span, "the rights are none, monitor, operator and admin",
                       nearest_name(words[1].text, kRights));
  }
  access.right = static_cast<HttpRight>(right - kRights.begin());
  access.deny_logs = words.size() == 3 && equals_ignoring_case(words[2].text, "deny-logs");
  if (words.size() == 3 && !access.deny_logs) {
    return log_->error(words[2].span, "only deny-logs may follow the right");
  }
  snapshot_->global_.http_access.push_back(access);
}

/// `MXNAME N` or `NETWORK N`.
void Builder::add_host_limit(const Directive& directive, bool by_name) {
  const std::vector<Word>& words = directive.values;
  HostConnectionLimit limit;
  limit.origin = origin_of(directive.name.span);
  if (words.size() != 2) {
    return log_->error(ValueReader::span_of(directive),
                       by_name ? "expected the name of a mail host and a number"
                               : "expected a network and a number");
  }
  const Result<std::uint32_t> count = parse_count(words[1].text);
  if (!count.ok()) {
    return log_->error(words[1].span, count.error().detail);
  }
  limit.count = *count == 0 ? kUnlimited : *count;
  if (by_name) {
    limit.name = values_.keep(to_lower(words[0].text));
  } else {
    const Result<IpNetwork> network = IpNetwork::parse(words[0].text);
    if (!network.ok()) {
      return log_->error(words[0].span, "not an address or network");
    }
    limit.network = *network;
  }
  snapshot_->global_.host_limits.push_back(limit);
}

void Builder::add_name_server(const Directive& directive) {
  constexpr std::uint16_t kDnsPort = 53;
  if (directive.values.empty()) {
    return log_->error(directive.name.span, "'name-server' needs an address");
  }
  for (const Word& word : ValueReader::list_of(directive.values)) {
    // Without brackets more than one colon is an IPv6 address without a port.
    const Result<IpAddress> bare = IpAddress::parse(word.text);
    const Result<SocketAddress> address =
        bare.ok() ? Result<SocketAddress>(SocketAddress{*bare, kDnsPort})
                  : SocketAddress::parse(word.text, kDnsPort);
    if (!address.ok() || address->port == 0) {
      log_->error(word.span, "not an address, nor one with a port");
      continue;
    }
    snapshot_->global_.name_servers.push_back(*address);
  }
}

bool Builder::read_listen_address(const Word& word, Listener& listener) {
  std::string_view text = word.text;
  const std::size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon);
  if (colon == std::string_view::npos ||
      (host.find(':') != std::string_view::npos && host.back() != ']')) {
    log_->error(word.span, "a listener is written ADDRESS:PORT, or [ADDRESS]:PORT for IPv6");
    return false;
  }
  if (!parse_decimal(text.substr(colon + 1), listener.port) || listener.port == 0) {
    log_->error(word.span, "the port is a number from 1 to 65535");
    return false;
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const bool unspecified = host == "*" || host == "::" || host == "0.0.0.0";
  const Result<IpNetwork> network = IpNetwork::parse(host == "*"    ? "0/0"
                                                     : host == "::" ? "::/0"
                                                                    : host);
  if (!network.ok()) {
    log_->error(word.span, "not an address or network before the port");
    return false;
  }
  listener.network = *network;
  listener.network.prefix_bits = unspecified ? 0 : listener.network.prefix_bits;
  return true;
}

void Builder::add_listener(const Word& address, const std::vector<Word>& attributes,
                           const Section* section) {
  Listener listener;
  listener.origin = origin_of(address.span);
  std::vector<Listener>& listeners = snapshot_->global_.listeners;
  const bool usable = read_listen_address(address, listener);
  const std::size_t index = listeners.size();
  const auto same = [&listener](const Listener& other) {
    return other.port == listener.port && other.network == listener.network;
  };
  const auto forget_source = [this, index] {
    std::erase_if(listener_sources_, [index](const auto& use) { return use.first == index; });
  };
  if (usable && std::any_of(listeners.begin(), listeners.end(), same)) {
    forget_source();
    return log_->error(address.span, "another smtp-listener has this address and port");
  }
  for (const Word& word : attributes) {
    const std::size_t sign = word.text.find('=');
    const std::string_view name = word.text.substr(0, sign);
    const std::string_view value =
        sign == std::string_view::npos ? std::string_view{} : word.text.substr(sign + 1);
    if (equals_ignoring_case(name, "source") && !value.empty()) {
      listener_sources_.push_back({index, {std::string(value), word.span}});
    } else if (equals_ignoring_case(name, "tls") && parse_boolean(value).ok()) {
      listener.no_tls = !*parse_boolean(value);
    } else {
      log_->error(word.span, "a listener's attributes are source=NAME and tls=yes or tls=no");
    }
  }
  if (section != nullptr) {
    for (const Directive& directive : section->directives) {
      const OptionRow* row = accept(directive, Scope::smtp_listener);
      const std::optional<Value> value =
          row == nullptr ? std::nullopt : values_.read(*row, directive);
      if (!value) {
        continue;
      }
      if (row->id == OptionId::listener_source) {
        const Word& name = directive.values[0];
        listener_sources_.push_back({index, {std::string(name.text), name.span}});
      } else if (!apply(listener, row->id, *value)) {
        apply(listener.tls, row->id, *value);
      }
      if (!row->acts() && row->is(kGuards)) {
        guard(*row, *value, directive.name.span);
      }
      if (const auto* pem = std::get_if<const CertificateFile*>(&*value)) {
        listener.tls.certificates.push_back(*pem);
        key_files_.emplace_back((*pem)->file, ValueReader::span_of(directive));
      }
    }
  }
  if (!usable) {
    return forget_source();
  }
  listeners.push_back(listener);
}

SpoolFolder& Builder::spool_folder(std::string_view path, const Span& span) {
  std::vector<SpoolFolder>& spools = snapshot_->global_.spools;
  for (SpoolFolder& folder : spools) {
    if (folder.path == path) {
      return folder;
    }
  }
  SpoolFolder& folder = spools.emplace_back();
  folder.path = values_.keep(path);
  folder.origin = origin_of(span);
  return folder;
}

// One folder is used: the first that takes mail. It is put in front.
void Builder::choose_spool() {
  std::vector<SpoolFolder>& spools = snapshot_->global_.spools;
  const auto taking = std::find_if(spools.begin(), spools.end(),
                                   [](const SpoolFolder& folder) { return !folder.deliver_only; });
  if (taking != spools.end()) {
    std::rotate(spools.begin(), taking, taking + 1);
  }
  for (std::size_t i = 1; i < spools.size(); ++i) {
    log_->warning({spools[i].origin.file, spools[i].origin.line, 0, kWholeLine},
                  "mail in this folder stays there: the spool is one folder, " +
                      std::string(spools.front().path));
  }
}

void Builder::add_spool(const Section& section) {
  if (section.arguments.empty()) {
    return;
  }
  read_fields(section, spool_folder(argument_of(section), section.kind.span));
}

void Builder::check_records(const Directive& directive) {
  for (const Word& word : ValueReader::list_of(directive.values)) {
    if (record_letter(word.text).empty()) {
      log_->error(word.span, kNoRecordKind, nearest_name(word.text, record_names()));
    } else if (!is_written(record_letter(word.text))) {
      log_->warning(word.span, "no records of kind '" + std::string(record_letter(word.text)) +
                                   "' are written: they tell of returned reports, which are not "
                                   "read; d, b, t, tq and r are");
    }
  }
}

/// What is misspelt here hides nothing, nor does a kind that is noted before a queue is chosen.
void Builder::check_hidden_records(const Directive& directive) {
  for (const Word& word : ValueReader::list_of(directive.values)) {
    if (!word.text.empty() && record_letter(word.text).empty()) {
      log_->warning(word.span,
                    "'" + std::string(word.text) + "' is no kind of record and hides none",
                    nearest_name(word.text, record_names()));
    } else if (!word.text.empty() && !belongs_to_a_queue(record_letter(word.text))) {
      log_->warning(word.span, "records of kind '" + std::string(record_letter(word.text)) +
                                   "' belong to no queue and are written all the same; 'records' "
                                   "of an acct-file chooses them");
    }
  }
}

/// `KIND[,KIND] FIELD[,FIELD...]` of record-fields, `KIND HEADER FIELD` of map-header-to-field.
void Builder::add_record_fields(AcctFile& file, const Directive& directive) {
  const Span span = ValueReader::span_of(directive);
  const OptionRow* row = find_option(directive.name.text, Scope::acct_file);
  const std::vector<Word> kinds = ValueReader::list_of({directive.values.front()});
  std::vector<std::string_view>& letters = snapshot_->lists_.emplace_back();
  for (const Word& kind : kinds) {
    if (record_letter(kind.text).empty()) {
      return log_->error(kind.span, kNoRecordKind, nearest_name(kind.text, record_names()));
    }
    letters.push_back(record_letter(kind.text));
  }
  if (row->id == OptionId::acct_map_header) {
    if (directive.values.size() != 3) {
      return log_->error(span, "map-header-to-field is written KIND header_NAME FIELD");
    }
    file.header_columns.push_back({letters.front(), values_.keep(directive.values[1].text),
                                   values_.keep(directive.values[2].text)});
    return;
  }
  std::vector<std::string_view>& fields = snapshot_->lists_.emplace_back();
  for (const Word& field : ValueReader::list_of(directive.values, 1)) {
    fields.push_back(values_.keep(field.text));
  }
  if (fields.empty()) {
    return log_->error(span, "record-fields needs a kind of record and fields");
  }
  file.columns.push_back({letters, fields});
}

void Builder::add_acct_file(const Section& section) {
  const std::string_view path = argument_of(section);
  if (path.empty()) {
    return;
  }
  if (path.front() == '|') {
    log_->warning(section.kind.span,
                  "accounting goes into files, not to commands; the section has no effect: name "
                  "a file, and let the command follow it (tail -F)");
    check_names(section);
    return;
  }
  AcctFile file;
  file.path = values_.keep(path);
  file.origin = origin_of(section.kind.span);
  for (const OptionRow& row : option_rows()) {
    if (has(row.scopes, Scope::acct_file) && row.is_read() && !row.fallback.empty()) {
      apply(file, row.id, values_.fallback_of(row));
    }
  }
  std::vector<Setting> written;
  for (const Directive& directive : section.directives) {
    const OptionRow* row = accept(directive, Scope::acct_file);
    const std::optional<Value> value =
        row == nullptr ? std::nullopt : values_.read(*row, directive);
    if (!value) {
      continue;
    }
    if (row->is(kRepeats)) {
      add_record_fields(file, directive);
      continue;
    }
    if (row->id == OptionId::acct_records) {
      check_records(directive);
      std::vector<std::string_view>& letters = snapshot_->lists_.emplace_back();
      for (const Word& word : ValueReader::list_of(directive.values)) {
        letters.push_back(record_letter(word.text));
      }
      file.records = letters;
    } else {
      apply(file, row->id, *value);
    }
    store(written, *row, *value, directive);
  }
  std::vector<AcctFile>& files = snapshot_->global_.acct_files;
  const auto same = [&file](const AcctFile& other) { return other.path == file.path; };
  if (std::any_of(files.begin(), files.end(), same)) {
    log_->error(section.kind.span, "another acct-file section names the same file");
  }
  files.push_back(file);
}

}  // namespace ringpost::config
