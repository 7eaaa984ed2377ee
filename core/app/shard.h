#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "core/account/accountant.h"
#include "core/app/accept_pause.h"
#include "core/app/control_task.h"
#include "core/app/decision_log.h"
#include "core/app/job_carrier.h"
#include "core/app/kept_state.h"
#include "core/app/notify_desk.h"
#include "core/app/outbox.h"
#include "core/app/parcels.h"
#include "core/app/place_finder.h"
#include "core/app/policy_book.h"
#include "core/app/report_desk.h"
#include "core/app/shard_events.h"
#include "core/loop/disk.h"
#include "core/loop/dns.h"
#include "core/loop/loop.h"
#include "core/loop/net.h"
#include "core/loop/tls.h"
#include "core/schedule/scheduler.h"
#include "net/auth/desk.h"
#include "net/deliver/deliverer.h"
#include "net/ingest/service.h"
#include "net/resolve/resolver.h"
#include "net/sign/message_signer.h"
#include "spool/spool.h"

namespace ringpost::app {

/// The outside world of one shard. In production rings and files, in simulation their twins.
struct ShardPorts {
  Driver& driver;
  Net& net;
  Disk& disk;
  Entropy& entropy;
  Tls& tls;                  ///< for the streams of `net`
  Worker* crypto = nullptr;  ///< helper threads for private operations; none: all on the shard
  resolve::StsSource* sts = nullptr;    ///< none: no domain has a policy of MTA-STS
  deliver::MailStore* store = nullptr;  ///< none: mail for files and commands waits
  ShardEvents* events = nullptr;        ///< none: details are not logged
  Worker* logins = nullptr;             ///< helper threads for accounts of the host
};

struct ShardSettings {
  unsigned shard = 0;
  unsigned shards = 1;
  unsigned main_endpoint = 0;  ///< where drained and stopped are told
  std::shared_ptr<const config::Snapshot> snapshot;
  std::string spool_folder;
  spool::Uuid spool_id{};
  std::vector<std::uint16_t> spool_logs;  ///< the first takes mail
  spool::SpoolOptions spool;
  deliver::DeliverOptions deliver;
  ingest::IngestMemory ingest_memory;
  ingest::IngestConfigRef ingest_config;
  std::shared_ptr<const KeyRing> keys;  ///< of the snapshot; null: nothing is signed
  sign::SignerOptions signer;
  auth::SharedState* authentication = nullptr;  ///< of all shards; null: AUTH is not offered
  schedule::SchedulerOptions schedule;
  resolve::ResolverOptions resolve;
  std::string pause_rules;                 ///< as kept by an earlier run
  std::string source_rules;                ///< likewise
  std::string job_rules;                   ///< likewise
  std::string move_rules;                  ///< likewise
  GatheredState kept;                      ///< of all shards; epoch 0: nothing is kept
  std::vector<IpAddress> missing_sources;  ///< source addresses that the host lacks
  std::size_t parcels = 2048;
};

/// One shard: everything a core owns, put together. Made, started and used on its own thread;
/// ports, mailroom and log writer outlive it.
class Shard final : public LetterHandler,
                    private AdmissionSink,
                    private schedule::SettleSink,
                    private schedule::LeaseTransport,
                    private schedule::DeferralSink,
                    private PriorityView,
                    private QuestionPort,
                    private TurnHook {
 public:
  Shard(ShardSettings settings, const ShardPorts& ports, Mailroom& mailroom,
        account::LogWriter& accounts);
  ~Shard() override;

  Loop& loop() noexcept { return loop_; }
  /// Recovers the spool; nothing is offered or accepted before run() or the simulator turns the
  /// loop. What recovery found is in recovery().
  Status start(Dns& dns);
  /// Listens on the configured addresses.
  Status listen();
  const ingest::IngestService* ingest() const noexcept { return ingest_.get(); }
  const spool::RecoveryReport& recovery() const noexcept { return recovery_; }
  bool stopped() const noexcept { return loop_.stopping(); }
  ShardStatus status();

  void on_letter(const Letter& letter, Now now) override;

 private:
  void add_spool(ShardStatus& status);
  enum class Stage : std::uint8_t { running, draining, drained, closing };

  bool admit(const Admission& admission) override;
  void settle(Job& job) override;
  bool send(unsigned shard, const schedule::LeaseMessage& message) override;
  void queue_deferred(const schedule::QueueDeferral& deferral) override;
  void ask(QueueQuestion& question) override;
  void answer(QueueQuestion& question);
  bool end_of_turn(Now now) override;

  void on_settled(Completion& completion);
  /// A parcel of another shard, which takes it on where its mail belongs elsewhere.
  struct Carried {
    AdmissionParcel& parcel;
    bool sent_on = false;  ///< it belongs to the shard that it was sent to
  };
  enum class Arrival : std::uint8_t { waits, taken, sent_on };

  Arrival take_in(AdmissionParcel& parcel, Now now);
  bool place_mail(const Admission& admission, std::uint32_t seen, Carried* by = nullptr);
  bool arrive(AdmissionParcel& parcel, Now now);
  void give_places_back();
  void pass_on(const Admission& rest);
  void on_parcel_back(AdmissionParcel& parcel);
  void on_parcel(AdmissionParcel& parcel, Now now);
  void retry_parcels(Now now);
  void on_schedule_timer(Now now);
  void on_ingest_stopped(Completion& completion);
  void on_spool_stopped(Completion& completion);
  void drain();
  void stop_intake();
  void abandon();
  void checkpoint();
  bool nothing_in_flight() const;
  void count_outcomes(const Job& job);
  Status open_state();
  void keep_state(Now now);
  Instant state_due() const;
  bool state_kept() const;

  // shard_control.cpp
  void on_control(ControlTask& task, unsigned from, Now now);
  void reload(const ControlTask& task, Now now);
  void answer_control(ControlTask& task, unsigned from);
  void find_message(ControlTask& task, unsigned from);
  void on_inspected(Completion& completion);
  void search(ControlTask& task, unsigned from);
  void on_searched(Completion& completion);
  void change_queues(const ControlTask& task, ControlTask::Part& part, Now now);
  void add_sources_off(ControlTask::Part& part, Now now);
  void change_decisions(const ControlTask& task, ControlTask::Part& part, Now now);

  // shard_jobs.cpp
  Status restore_jobs();
  void change_jobs(const ControlTask& task, ControlTask::Part& part, Now now);
  void move_mail(const ControlTask& task, ControlTask::Part& part, Now now);
  void prioritize(const ControlTask& task, ControlTask::Part& part, Now now);
  schedule::Taken give(Admission& admission, std::string_view name, Carried* by = nullptr);
  Admission as_moved(const Admission& admission);
  void make_due(const MoveRule& rule, std::string_view queue, std::string_view vmta,
                Admission& admission);
  bool stays(const MoveRule& rule, std::string_view queue, std::string_view vmta) const;
  void follow(const MoveRule& rule, std::string_view shared, std::string_view vmta,
              Admission& admission);
  std::uint8_t priority_now(const MessageId& id, const Envelope& envelope,
                            const Recipient& recipient) override;
  bool admit_placed(const Admission& admission, std::uint32_t seen);

  /// Takes what leaves its queue; no earlier move than the one it follows concerns it.
  struct Mover : AdmissionSink {
    explicit Mover(Shard& of) : shard(of) {}
    bool admit(const Admission& admission) override {
      if (admission.anew) {
        return shard.finder_.ask(admission);
      }
      const std::uint32_t seen = admission.rules_seen;
      return shard.admit_placed(admission, seen == 0 ? shard.moves_.next_serial() : seen);
    }
    Shard& shard;
  };

  /// A message looked at for the control thread, one at a time.
  struct Inquiry {
    spool::InspectOp op;
    ControlTask* task = nullptr;
    unsigned from = 0;
  };

  ShardSettings settings_;
  ShardPorts ports_;
  Loop loop_;
  Outbox outbox_;
  PolicyBook policies_;
  account::Accountant accountant_;
  ReportDesk reports_;
  NotifyDesk notices_;
  spool::Spool spool_;
  JobCarrier carrier_;
  sign::MessageSigner signer_;
  ParcelPool parcels_;
  ParcelPool move_parcels_;          ///< of mail that leaves a queue; comes back without waiting
  std::vector<std::uint32_t> lent_;  ///< places for mail that are of other shards, by shard
  PlaceFinder finder_;
  std::vector<AdmissionParcel*> waiting_parcels_;  ///< arrived, but the scheduler had no room
  std::list<HeldAdmission> held_admissions_;       ///< for others, who have no room yet
  std::unique_ptr<resolve::Resolver> resolver_;
  std::unique_ptr<deliver::Deliverer> deliverer_;
  std::unique_ptr<schedule::Scheduler> scheduler_;
  std::unique_ptr<auth::Desk> desk_;
  std::unique_ptr<ingest::IngestService> ingest_;
  DecisionLog decision_log_;
  std::unique_ptr<KeptState> kept_;
  std::uint64_t kept_changes_ = 0;     ///< of the scheduler, as last written
  std::uint64_t writing_changes_ = 0;  ///< likewise, under way
  std::uint64_t durable_changes_ = 0;  ///< likewise, on disk
  std::uint64_t kept_sent_ = 0;        ///< likewise, of warm-ups
  bool state_under_way_ = false;       ///< the scheduler is to hear when it is kept
  bool last_state_ = false;            ///< what is kept is how it ended
  Instant keep_after_;                 ///< nothing is written before
  Instant counters_after_;
  spool::RecoveryReport recovery_;
  Instant next_look_;  ///< at the journal's fill, and at listeners
  AcceptPause accepts_{"SMTP listeners"};
  std::uint64_t accepts_failed_ = 0;  ///< that the log was told of
  Timer schedule_timer_;
  Completion ingest_stopped_;
  Completion spool_stopped_;
  Inquiry inquiry_;
  MessageSearch search_;
  Completion searched_;
  ControlTask* searching_ = nullptr;  ///< whose answer goes to search_from_
  unsigned search_from_ = 0;
  Mover mover_{*this};
  MoveRules moves_;
  ShardStatus counters_;
  std::uint64_t sources_seen_ = 0;  ///< changes() of the source book that queues know of
  Stage stage_ = Stage::running;
  bool intake_stopped_ = false;
};

}  // namespace ringpost::app
