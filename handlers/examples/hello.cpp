// SPDX-License-Identifier: MIT
// Example handler in C++: no exception may leave a handler, so one wrapper turns them into errors.
#include <ganger/handler.h>

#include <exception>
#include <stdexcept>
#include <string>

namespace
{

std::string greet(const ganger_job &job)
{
    if (job.attempt > job.max_attempts) {
        throw std::logic_error("more attempts than allowed");
    }
    return "{\"greeting\": \"hello from C++\", \"attempt\": " + std::to_string(job.attempt) + "}";
}

ganger_result run(const ganger_job *job, ganger_context *context)
{
    try {
        const std::string output = greet(*job);
        if (ganger_output(context, output.data(), output.size()) != GANGER_DONE) {
            throw std::runtime_error(ganger_last_error(context));
        }
        return GANGER_OK;
    } catch (const std::exception &error) {
        ganger_set_error(context, error.what());
    } catch (...) {
        ganger_set_error(context, "an exception of an unknown kind");
    }
    return GANGER_ERROR;
}

const ganger_handler handlers[] = {{"hello_cpp", run, nullptr}, {nullptr, nullptr, nullptr}};

} // namespace

const ganger_plugin ganger_plugin_v1 = GANGER_PLUGIN("hello_cpp", handlers);
