// SPDX-License-Identifier: MIT
// Answer: what a statement has answered, as an answer to the client. exchange_reply_answer is here.
#ifndef API_ANSWER_H
#define API_ANSWER_H

#include <stdbool.h>

// Whether an If-None-Match names the ETag: weakly, as GET compares.
bool answer_is_known(const char *if_none_match, const char *etag);

#endif
