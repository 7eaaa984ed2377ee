#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "core/account/notice.h"
#include "core/app/last_attempts.h"
#include "core/app/policy_book.h"
#include "core/app/queue_question.h"
#include "core/app/report_limit.h"
#include "core/app/report_stream.h"
#include "core/loop/loop.h"
#include "core/mail/doors.h"
#include "core/mail/report.h"
#include "spool/spool.h"

namespace ringpost::app {

/// What a desk has done since its start.
struct ReportCounts {
  std::uint64_t made = 0;        ///< notifications that are in the spool
  std::uint64_t omitted = 0;     ///< owed, but the sender's domain gets none or cannot be reached
  std::uint64_t suppressed = 0;  ///< owed, but the sender had as many as max-report-rate allows
  std::uint64_t refused = 0;     ///< attempts that the spool had no room for
  std::uint64_t waiting = 0;     ///< now
};

/// Tells senders what became of their mail. Takes outcomes that are owed a report from the
/// journal, a bounded number at a time, reads the message, spools a notification as a message of
/// its own, and tells the spool once that is durable. A crash between the two repeats the report,
/// under the same Message-ID. One per shard, used by its thread.
class ReportDesk final : public ReportSink, public TurnHook {
 public:
  /// `shards`: so many desks share what a sender gets.
  ReportDesk(Loop& loop, PolicyBook& policies, unsigned shards);
  ~ReportDesk() override;

  /// Where messages are read and notifications are put; before the first call of another kind.
  void set_spool(spool::Spool& spool) { spool_ = &spool; }

  /// Who is asked what queues wait for; before the loop runs. Without, reports of delay say less.
  void set_questions(QuestionPort& port) { questions_ = &port; }
  /// A question of this desk is answered.
  void told(QueueQuestion& question);

  /// False: as many reports are under way as may be.
  bool account(const SettledRecord& record) override;
  /// All reports owed by records up to this sequence are done with.
  std::uint64_t archived(std::uint16_t log) const override;
  bool look_at(const SpoolHandle& message) override;
  void put_off(const SpoolHandle& message, const SettledRecord& record) override {
    attempts_.note(message, record);
  }
  bool end_of_turn(Now now) override;

  /// Begins nothing more; idle() turns true once what was begun is done.
  void drain() { draining_ = true; }
  bool idle() const;
  ReportCounts counts() const;

 private:
  enum class State : std::uint8_t { unused, gathering, waiting, reading, asking, writing };
  /// One recipient with what was noted of its ending.
  struct Part {
    std::uint32_t index = 0;
    std::uint64_t sequence = 0;
    std::string address;
    std::string original;
    std::string text;
    std::string host;
    account::NoticeRecipient fields;
  };
  struct Read : spool::InspectOp {
    std::size_t task = 0;
  };
  struct Commit : CommitOp {
    std::size_t task = 0;
  };
  struct Task {
    State state = State::unused;
    std::uint16_t log = 0;
    MessageId id;
    SpoolHandle message;
    account::NoticeAction action = account::NoticeAction::failed;
    std::uint64_t period = 0;     ///< of a delay: the how many-th is reported
    std::uint32_t next_look = 0;  ///< of a delay: unix seconds; 0: never
    std::string sender;
    std::string envelope_id;
    std::string helo;  ///< of the injector
    IpAddress origin;
    WallTime arrived;
    std::vector<Part> parts;
    bool permitted = false;  ///< it is counted with what its sender gets
    unsigned failures = 0;   ///< for its size: the next attempt shows less
    Instant not_before;
    QueueQuestion question;            ///< of a delay: what is asked now
    std::vector<QueueQuestion> known;  ///< what was answered
    Read read;
    Commit commit;
  };
  /// A large message on its way into its notification.
  struct Flow : Completion {
    explicit Flow(Loop& loop) : stream(loop) {}
    ReportStream stream;
    std::size_t task = 0;
  };
  enum class Written : std::uint8_t { no, all, flowing };
  static constexpr std::size_t kTasks = 256;
  static constexpr std::size_t kFlows = 4;
  static constexpr std::size_t kStartsPerTurn = 64;
  static constexpr std::size_t kPartsMax = 50;
  static constexpr std::size_t kQueuesAsked = 8;  ///< of one message

  void add_part(Task& task, const SettledRecord& record);
  Task* take_task();
  Task* take_task(const SettledRecord& record);
  void gather_delays(Task& task, const MessageView& view);
  void tell_attempt(Task& task, Part& part, const Admission& mail, unsigned attempts);
  bool add_delay(Task& task, const MessageView& view, std::uint32_t index, WallTime& look);
  bool wanted(const Task& task);
  bool permitted(Task& task);
  void start(Task& task);
  void on_read(Completion& completion);
  void describe(const Task& task, const std::string& token, const std::string& log_id,
                account::Notice& notice);
  Written write(Task& task, const MessageView* view);
  Written flow(Task& task, const account::Notice& notice);
  void on_flowed(Completion& completion);
  void commit(Task& task, MessageWriter& writer, const ContentInfo& content);
  void show_message(const Task& task, const MessageView& view, account::Notice& notice);
  void on_committed(Completion& completion);
  void postpone(Task& task);
  void finish(Task& task);
  void on_due(Now) {}

  Loop& loop_;
  PolicyBook& policies_;
  ReportLimit limit_;
  LastAttempts attempts_;
  spool::Spool* spool_ = nullptr;
  QuestionPort* questions_ = nullptr;
  std::array<Task, kTasks> tasks_;
  std::size_t tasks_used_ = 0;
  Task* gathering_ = nullptr;
  bool draining_ = false;
  Timer due_;
  ReportCounts counts_;
  std::vector<account::NoticeRecipient> shown_;
  std::vector<std::string_view> original_;
  std::vector<std::uint32_t> indexes_;
  std::string text_;
  std::array<Flow, kFlows> flows_;
};

}  // namespace ringpost::app
