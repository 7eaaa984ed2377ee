#include "net/wire/https_get.h"

#include <curl/curl.h>

#include <memory>

namespace ringpost {
namespace {

struct CurlFreer {
  void operator()(CURL* handle) const noexcept { ::curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const noexcept { ::curl_slist_free_all(list); }
};

struct Transfer {
  const HttpsRequest* request;
  HttpsReply* reply;
};

std::size_t take_body(char* bytes, std::size_t, std::size_t size, void* context) {
  const Transfer& transfer = *static_cast<Transfer*>(context);
  std::string& body = transfer.reply->body;
  if (body.size() + size > transfer.request->bytes_max) {
    transfer.reply->reason = "it is larger than " + std::to_string(transfer.request->bytes_max);
    return 0;
  }
  body.append(bytes, size);
  return size;
}

int watch(void* context, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const HttpsRequest& request = *static_cast<Transfer*>(context)->request;
  return request.cancelled != nullptr && request.cancelled(request.context) ? 1 : 0;
}

/// "host:443:address,address": what the name stands for.
std::string resolution(const HttpsRequest& request) {
  std::string text = request.host + ":443:";
  for (const IpAddress& address : request.addresses) {
    text.append(text.back() == ':' ? "" : ",");
    text.append(address.is_v4() ? address.text() : "[" + address.text() + "]");
  }
  return text;
}

void set_up(CURL* handle, const HttpsRequest& request, Transfer& transfer, curl_slist* names) {
  const std::string url = "https://" + request.host + request.path;
  ::curl_easy_setopt(handle, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "https");
  ::curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  ::curl_easy_setopt(handle, CURLOPT_PROXY, "");
  ::curl_easy_setopt(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  ::curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  ::curl_easy_setopt(handle, CURLOPT_RESOLVE, names);
  ::curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS,
                     static_cast<long>(request.limit.whole_milliseconds()));
  ::curl_easy_setopt(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  ::curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  ::curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!request.authorities.empty()) {
    ::curl_easy_setopt(handle, CURLOPT_CAINFO, request.authorities.c_str());
    ::curl_easy_setopt(handle, CURLOPT_CAPATH, nullptr);
  }
  ::curl_easy_setopt(handle, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(request.bytes_max));
  ::curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, &take_body);
  ::curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  ::curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  ::curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &watch);
  ::curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
}

}  // namespace

HttpsReply https_get(const HttpsRequest& request) {
  static const CURLcode kReady = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  HttpsReply reply;
  if (request.addresses.empty()) {
    reply.reason = request.host + " has no address";
    return reply;
  }
  const std::unique_ptr<CURL, CurlFreer> handle(::curl_easy_init());
  const std::unique_ptr<curl_slist, CurlFreer> names(
      ::curl_slist_append(nullptr, resolution(request).c_str()));
  if (kReady != CURLE_OK || handle == nullptr || names == nullptr) {
    reply.reason = "no memory";
    return reply;
  }
  Transfer transfer{&request, &reply};
  set_up(handle.get(), request, transfer, names.get());
  const CURLcode result = ::curl_easy_perform(handle.get());
  long status = 0;
  ::curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  reply.done = result == CURLE_OK && status == 200;
  reply.certificate_faulty = result == CURLE_PEER_FAILED_VERIFICATION;
  if (result == CURLE_OK && !reply.done) {
    reply.reason = "HTTP status " + std::to_string(status);
  } else if (result != CURLE_OK && reply.reason.empty()) {
    reply.reason = ::curl_easy_strerror(result);
  }
  return reply;
}

}  // namespace ringpost
