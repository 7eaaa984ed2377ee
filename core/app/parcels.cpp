#include "core/app/parcels.h"

#include "core/base/assert.h"

namespace ringpost::app {

ParcelPool::ParcelPool(std::size_t count, unsigned shard) {
  parcels_.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    parcels_.push_back(std::make_unique<AdmissionParcel>());
    parcels_.back()->sender = static_cast<std::uint16_t>(shard);
    free_.push_back(*parcels_.back());
  }
}

HeldAdmission::HeldAdmission(const Admission& the_admission)
    : domain(the_admission.domain),
      vmta(the_admission.vmta),
      job(the_admission.job),
      admission(the_admission) {
  RP_ASSERT_NOTE(!admission.counted, "its overflow would not be kept");
  admission.domain = domain;
  admission.vmta = vmta;
  admission.job = job;
  admission.overflow = {};
}

AdmissionParcel* ParcelPool::fill(const Admission& admission, std::string_view queue_name) {
  AdmissionParcel* parcel = free_.pop_front();
  if (parcel == nullptr) {
    return nullptr;
  }
  refill(*parcel, admission, queue_name);
  return parcel;
}

void ParcelPool::refill(AdmissionParcel& parcel, const Admission& admission,
                        std::string_view queue_name) {
  parcel.again = parcel.lent = false;
  parcel.vmta.assign(admission.vmta);  // first: what overflowed goes to whom `overflow` names
  parcel.overflow.assign(admission.overflow);
  parcel.queue_name.assign(queue_name);
  parcel.domain.assign(admission.domain);
  parcel.job.assign(admission.job);
  parcel.admission = admission;
  parcel.admission.domain = parcel.domain;
  parcel.admission.vmta = parcel.vmta;
  parcel.admission.job = parcel.job;
  parcel.admission.overflow = parcel.overflow;
}

void ParcelPool::take_back(AdmissionParcel& parcel) { free_.push_back(parcel); }

}  // namespace ringpost::app
