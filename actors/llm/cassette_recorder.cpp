// Writes a cassette.
#include "actors/llm/cassette.hpp"
#include "runtime/core/sealed_lines.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <system_error>
#include <unordered_map>

namespace troupe {
namespace {

/// What an endpoint does not ask again: an answer, or the model's own refusal.
bool is_final(const result<model_answer>& a) {
  if (a)
    return true;
  auto code = a.error().code;
  return code == errc::failed || code == errc::output_too_large || code == errc::invalid_input;
}

/// The file. Whole lines only, whenever the process dies: what a crash has left of a line is cut
/// off at the next opening, and its answer was not given to anybody.
class tape_file {
public:
  tape_file(std::string name, std::size_t size_max) : name_(std::move(name)), size_max_(size_max) {}
  tape_file(const tape_file&) = delete;
  tape_file& operator=(const tape_file&) = delete;
  ~tape_file() {
    if (fd_ < 0)
      return;
    ::fdatasync(fd_);
    ::close(fd_);
  }

  result<void> open(std::string_view model) {
    fd_ = ::open(name_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd_ < 0)
      return failure("cannot be opened");
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0)
      return error{errc::unavailable, name_ + ": another endpoint or process records into it"};
    if (::lseek(fd_, 0, SEEK_END) == 0)
      return write(sealer_.seal(cassette_header(model)));
    auto tape = load_cassette(name_);
    if (!tape)
      return std::move(tape).error();
    if (tape->model != model)
      return error{errc::invalid_input,
                   fmt::format("{}: was begun with the model \"{}\", and this one is \"{}\"", name_,
                               tape->model, model)};
    size_ = tape->size;
    sealer_ = line_sealer{tape->sum};
    for (const auto& a : tape->answers)
      counts_[a.request.hash] = std::max(counts_[a.request.hash], a.nth);
    return ::ftruncate(fd_, static_cast<off_t>(size_)) == 0 ? result<void>{}
                                                            : failure("cannot be cut");
  }

  std::uint64_t number(const digest& request) {
    std::lock_guard lock{mutex_};
    return ++counts_[request];
  }

  result<void> add(const taped_answer& a) {
    auto object = cassette_line(a);
    std::lock_guard lock{mutex_};
    auto sealer = sealer_; // as it was, where the line cannot be written
    auto line = sealer.seal(std::move(object));
    if (size_ + line.size() > size_max_)
      return error{errc::failed,
                   fmt::format("{}: is full ({} bytes, cassette_size_max); record into another one",
                               name_, size_max_)};
    auto written = write(line);
    if (written)
      sealer_ = sealer;
    return written;
  }

private:
  error failure(std::string_view what) const {
    return {errc::failed, fmt::format("{}: {}: {}", name_, what,
                                      std::error_code{errno, std::system_category()}.message())};
  }

  result<void> write(std::string_view line) {
    for (std::size_t done = 0; done < line.size();) {
      auto n = ::write(fd_, line.data() + done, line.size() - done);
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0) {
        auto why = failure("cannot be written");
        (void)!::ftruncate(fd_, static_cast<off_t>(size_));
        return why;
      }
      done += static_cast<std::size_t>(n);
    }
    size_ += line.size();
    return {};
  }

  const std::string name_;
  const std::size_t size_max_;
  int fd_ = -1;
  std::size_t size_ = 0;
  std::mutex mutex_;
  line_sealer sealer_;
  std::unordered_map<digest, std::uint64_t> counts_;
};

class recording_backend final : public model_backend {
public:
  recording_backend(std::shared_ptr<model_backend> inner, std::shared_ptr<tape_file> file)
    : inner_(std::move(inner)), file_(std::move(file)) {}

  model_request_id start(const model_request& request, model_done done) override {
    taped_answer line;
    line.request = taped(request);
    line.nth = file_->number(line.request.hash);
    return inner_->start(request, [file = file_, line = std::move(line),
                                   done = std::move(done)](result<model_answer> a) mutable {
      if (is_final(a)) {
        line.answer = a;
        if (auto added = file->add(line); !added)
          a = std::move(added).error();
      }
      done(std::move(a));
    });
  }
  void cancel(model_request_id id) override { inner_->cancel(id); }

private:
  std::shared_ptr<model_backend> inner_;
  std::shared_ptr<tape_file> file_;
};

} // namespace

result<std::shared_ptr<model_backend>> make_recording_backend(std::shared_ptr<model_backend> inner,
                                                              const std::filesystem::path& file,
                                                              std::string_view model,
                                                              std::size_t size_max) {
  auto tape = std::make_shared<tape_file>(file.string(), size_max);
  if (auto opened = tape->open(model); !opened)
    return std::move(opened).error();
  return std::make_shared<recording_backend>(std::move(inner), std::move(tape));
}

} // namespace troupe
