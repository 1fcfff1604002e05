#include "tests/unit/handshake/child_process.h"

#include "tests/unit/handshake/gateway.h"

#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace culvert::control::tests {

ChildProcess::ChildProcess(const std::vector<std::string>& words) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0)
        throw std::runtime_error("no pipes");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDERR_FILENO);
    std::vector<char*> arguments;
    for (const std::string& word : words)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    const int error = ::posix_spawnp(&id_, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    from_ = out[0];
    if (error != 0) {
        id_ = -1;
        throw std::runtime_error("cannot start " + words[0]);
    }
}

ChildProcess::~ChildProcess() {
    if (id_ > 0) {
        ::kill(id_, SIGKILL);
        ::waitpid(id_, nullptr, 0);
    }
    ::close(input_);
    ::close(from_);
}

void ChildProcess::write(std::string_view text) const {
    if (::write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        throw std::runtime_error("the child doesn't read");
}

bool ChildProcess::wait_output(std::string_view text) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (output_.find(text) == std::string::npos) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        pollfd readable{.fd = from_, .events = POLLIN, .revents = 0};
        if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0)
            return false;
        char buffer[4096];
        const ssize_t size = ::read(from_, buffer, sizeof buffer);
        if (size <= 0)
            return false;
        output_.append(buffer, static_cast<std::size_t>(size));
    }
    return true;
}

TemporaryFile::TemporaryFile(std::string_view content) : path_("/tmp/culvert-test-XXXXXX") {
    const int file = ::mkstemp(path_.data());
    if (file < 0 || ::write(file, content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        throw std::runtime_error("cannot write " + path_);
    ::close(file);
}

TemporaryFile::~TemporaryFile() {
    ::unlink(path_.c_str());
}

} // namespace culvert::control::tests
