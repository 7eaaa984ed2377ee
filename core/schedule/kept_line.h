#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/time.h"

namespace ringpost::schedule {

// What outlives a run is kept in lines of fields with tabs between them: "KIND TAB NAME TAB VMTA
// ...". NAME and VMTA are a queue's, whose home shard keeps the line; a name that begins with an
// asterisk is none of a queue, and any shard may keep such a line.

/// Takes the first field off the line.
std::string_view next_field(std::string_view& rest);
/// Adds a field after a tab; what is below a blank in it becomes one.
void add_field(std::string& line, std::string_view field);
/// False: not a time.
bool read_time(std::string_view text, WallTime& out);

/// No queue's line.
bool is_shared_line(std::string_view line);
/// Home of its queue among `shards`.
std::uint64_t home_of_line(std::string_view line, std::uint64_t shards);
/// The fields that name what the line is about.
std::string_view subject_of_line(std::string_view line);

}  // namespace ringpost::schedule
