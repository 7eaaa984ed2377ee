#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/app/letters.h"
#include "core/app/outbox.h"
#include "core/base/list.h"
#include "core/loop/loop.h"
#include "core/mail/doors.h"

namespace ringpost::app {

/// An admission on its way to another shard, with its own copy of the names. Made and kept by the
/// sending shard; the receiver only reads it and sends it back.
struct AdmissionParcel : ListLink<> {
  Admission admission;       ///< views refer to the strings below
  std::uint16_t sender = 0;  ///< whose pool it belongs to
  bool again = false;        ///< what came back is for somebody else: the sender places it anew
  bool lent = false;         ///< came back: its mail took a place of the sender's with it
  std::uint32_t asked = 0;   ///< PlaceFinder: recipients from `admission.first` on
  std::string queue_name;
  std::string domain;
  std::string vmta;
  std::string job;
  std::string overflow;
};

/// An admission with its own copy of the names, for as long as there is no room for it.
struct HeldAdmission {
  explicit HeldAdmission(const Admission& admission);
  HeldAdmission(const HeldAdmission&) = delete;
  HeldAdmission& operator=(const HeldAdmission&) = delete;

  std::string domain;
  std::string vmta;
  std::string job;
  Admission admission;  ///< views refer to the strings above
};

/// A fixed number of parcels of one shard: so many admissions may be under way to other shards.
class ParcelPool {
 public:
  ParcelPool(std::size_t count, unsigned shard);

  /// nullptr: all are under way.
  AdmissionParcel* fill(const Admission& admission, std::string_view queue_name);
  /// Readdresses one that is here. Views in `admission` may be those of the parcel.
  static void refill(AdmissionParcel& parcel, const Admission& admission,
                     std::string_view queue_name);
  void take_back(AdmissionParcel& parcel);
  std::size_t under_way() const noexcept { return parcels_.size() - free_.size(); }

 private:
  std::vector<std::unique_ptr<AdmissionParcel>> parcels_;
  List<AdmissionParcel> free_;
};

}  // namespace ringpost::app
