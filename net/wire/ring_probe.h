#pragma once

namespace ringpost {

/// Whether closing one direct socket of a ring closes its connection at once, although an older
/// operation is still waiting on another. Kernels before 6.13 release files of the table in the
/// order of the operations that were started with them: one idle receive would hold up the FIN of
/// every connection closed after it. Tried out on a small ring of its own with two local socket
/// pairs; takes a tenth of a second where the answer is no. False as well where anything fails.
bool direct_sockets_close_at_once() noexcept;

}  // namespace ringpost
