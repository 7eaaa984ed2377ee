#pragma once

#include <cstdint>
#include <string_view>

namespace ringpost::smtp {

/// One reply of the server: code (RFC 5321 section 4.2), enhanced status (RFC 3463) and text on
/// one line. Views: whoever fills one keeps the text alive until it was handed over.
struct ServerReply {
  std::uint16_t code = 250;
  std::string_view status;  ///< e.g. "2.1.0"; empty for the codes that carry none (220, 354)
  std::string_view text;

  bool accepted() const { return code >= 200 && code < 300; }
  /// 421 ends the session after it was sent.
  bool closes() const { return code == 421; }
};

// What the engine itself says. Texts name the reason, so that a log line of the client suffices.
namespace replies {

inline constexpr ServerReply kOk{250, "2.0.0", "Ok"};
inline constexpr ServerReply kSenderOk{250, "2.1.0", "Sender ok"};
inline constexpr ServerReply kRecipientOk{250, "2.1.5", "Recipient ok"};
inline constexpr ServerReply kTlsReady{220, "2.0.0", "Ready to start TLS"};
inline constexpr ServerReply kGoAhead{354, "", "End data with <CRLF>.<CRLF>"};
inline constexpr ServerReply kVerify{252, "2.5.2", "Cannot verify, but will take the message"};
inline constexpr ServerReply kTooManyErrors{421, "4.7.0", "Too many errors, closing"};
inline constexpr ServerReply kTooManyCommands{421, "4.7.0", "Too many commands without a message"};
inline constexpr ServerReply kNotWeb{421, "4.7.0", "This is a mail server, not a web server"};
inline constexpr ServerReply kTooManyRecipients{452, "4.5.3", "Too many recipients"};
inline constexpr ServerReply kRecipientsInExcess{554, "5.5.3", "Too many recipients in a message"};
inline constexpr ServerReply kAuthenticated{235, "2.7.0", "Authenticated"};
inline constexpr ServerReply kAuthFailed{535, "5.7.8", "Authentication failed"};
inline constexpr ServerReply kAuthLater{454, "4.7.0", "Cannot check now, try again later"};
inline constexpr ServerReply kAuthCancelled{501, "5.7.0", "Authentication cancelled"};
inline constexpr ServerReply kAuthSyntax{501, "5.5.4", "Syntax: AUTH mechanism [base64]"};
inline constexpr ServerReply kAuthDecode{501, "5.5.2", "The answer is no base64, or too long"};
inline constexpr ServerReply kAuthTwice{503, "5.5.1", "Authenticated already"};
inline constexpr ServerReply kAuthInside{503, "5.5.1", "No AUTH within a transaction"};
inline constexpr ServerReply kAuthMechanism{504, "5.5.4", "Mechanism not offered"};
inline constexpr ServerReply kAuthEncrypt{538, "5.7.11", "Encryption is required for this"};
inline constexpr ServerReply kLineTooLong{500, "5.5.2", "Command line too long"};
inline constexpr ServerReply kEndlessLine{421, "4.7.0", "Command line without an end"};
inline constexpr ServerReply kBareLineEnd{500, "5.5.2", "Command lines must end with CRLF"};
inline constexpr ServerReply kBadOctets{500, "5.5.2", "Command line holds control characters"};
inline constexpr ServerReply kUnknownCommand{500, "5.5.2", "Command not recognised"};
inline constexpr ServerReply kNoArgument{501, "5.5.4", "This command takes no argument"};
inline constexpr ServerReply kNeedsDomain{501, "5.5.4", "Give your domain name as argument"};
inline constexpr ServerReply kMailSyntax{501, "5.5.4", "Syntax: MAIL FROM:<address>"};
inline constexpr ServerReply kRcptSyntax{501, "5.5.4", "Syntax: RCPT TO:<address>"};
inline constexpr ServerReply kBdatSyntax{501, "5.5.4", "Syntax: BDAT octets [LAST]; closing"};
inline constexpr ServerReply kVrfySyntax{501, "5.5.4", "Syntax: VRFY address"};
inline constexpr ServerReply kBadSize{501, "5.5.4", "SIZE needs a number of octets"};
inline constexpr ServerReply kBadBody{501, "5.5.4", "BODY must be 7BIT or 8BITMIME"};
inline constexpr ServerReply kBadRet{501, "5.5.4", "RET must be FULL or HDRS"};
inline constexpr ServerReply kBadEnvid{501, "5.5.4", "ENVID must be xtext of 1 to 100 octets"};
inline constexpr ServerReply kBadVerp{501, "5.5.4", "VERP takes two of - = + or nothing"};
inline constexpr ServerReply kBadNotify{501, "5.5.4", "NOTIFY must be NEVER or a list of others"};
inline constexpr ServerReply kBadOrcpt{501, "5.5.4", "ORCPT must be type;xtext of 500 octets"};
inline constexpr ServerReply kBadAuthParameter{501, "5.5.4", "AUTH must be <> or xtext"};
inline constexpr ServerReply kBadSmtputf8{501, "5.5.4", "SMTPUTF8 takes no value"};
inline constexpr ServerReply kParameterTwice{501, "5.5.4", "Parameter given twice"};
inline constexpr ServerReply kNotImplemented{502, "5.5.1", "Command not implemented"};
inline constexpr ServerReply kHelloFirst{503, "5.5.1", "Say EHLO or HELO first"};
inline constexpr ServerReply kTlsActive{503, "5.5.1", "TLS is already in use"};
inline constexpr ServerReply kTlsAfterAuth{503, "5.5.1", "STARTTLS must come before AUTH"};
inline constexpr ServerReply kTlsTooLate{503, "5.5.1", "Not within a transaction"};
inline constexpr ServerReply kMailFirst{503, "5.5.1", "Need MAIL first"};
inline constexpr ServerReply kNestedMail{
    503, "5.5.1", "The transaction begun before is dropped, send MAIL again"};
inline constexpr ServerReply kChunksBegun{503, "5.5.1", "Chunks have begun; only BDAT or RSET now"};
inline constexpr ServerReply kNoRecipients{554, "5.5.1", "No valid recipients"};
inline constexpr ServerReply kNullRecipient{553, "5.1.3", "The null path cannot be a recipient"};
inline constexpr ServerReply kNeedsUtf8{553, "5.6.7", "This address needs SMTPUTF8"};
inline constexpr ServerReply kUnknownParameter{555, "5.5.4", "Parameter not recognised"};
inline constexpr ServerReply kTooLarge{552, "5.3.4", "Message exceeds the size limit"};
inline constexpr ServerReply kBareEndings{550, "5.6.11", "Bare CR or LF in the content"};
inline constexpr ServerReply kMailLoop{554, "5.4.6", "Too many Received fields: a mail loop"};
inline constexpr ServerReply kContentLine{554, "5.6.0", "A line of the content is too long"};
inline constexpr ServerReply kHeaderSize{554, "5.6.0", "The header section is too large"};
inline constexpr ServerReply kHeaderCount{554, "5.6.0", "Too many header fields"};
inline constexpr ServerReply kHeaderRepeats{554, "5.6.0", "A header field is repeated too often"};

}  // namespace replies
}  // namespace ringpost::smtp
