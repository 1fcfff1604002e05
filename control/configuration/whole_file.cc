#include "control/configuration/whole_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace culvert::control {
namespace {

constexpr std::size_t read_size = 1U << 16;

class Descriptor {
  public:
    explicit Descriptor(int number) : number_(number) {}
    ~Descriptor() {
        if (number_ >= 0)
            close(number_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int number() const { return number_; }

  private:
    int number_;
};

} // namespace

std::expected<std::string, int> read_whole_file(const std::filesystem::path& file, std::size_t limit) {
    const Descriptor in(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat about{};
    if (in.number() < 0 || fstat(in.number(), &about) != 0)
        return std::unexpected(errno);
    if (S_ISDIR(about.st_mode))
        return std::unexpected(EISDIR);
    std::string content;
    content.reserve(2 * read_size);
    for (;;) {
        const std::size_t had = content.size();
        content.resize(had + read_size);
        const ssize_t got = read(in.number(), content.data() + had, read_size);
        const int error = errno;
        content.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0)
            return std::unexpected(error);
        if (content.size() > limit)
            return std::unexpected(EFBIG);
        if (got == 0)
            return content;
    }
}

} // namespace culvert::control
