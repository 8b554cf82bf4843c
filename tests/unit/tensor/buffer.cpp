#include "towpath/tensor/buffer.hpp"

#include "towpath/base/check.hpp"

#include <cstdint>
#include <doctest/doctest.h>
#include <map>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using namespace towpath;

static_assert(!std::is_copy_constructible_v<Buffer<Host>> && !std::is_copy_assignable_v<Buffer<Host>>);
static_assert(std::is_nothrow_move_constructible_v<Buffer<Host>> && std::is_nothrow_move_assignable_v<Buffer<Host>>);

namespace {
// Host memory that knows how many blocks are out, and how large they are together.
struct Counted {
  static inline int blocks = 0;
  static inline std::map<void*, std::size_t> sizes;
  static void* allocate(std::size_t bytes) {
    void* p = Host::allocate(bytes);
    ++blocks;
    sizes[p] = bytes;
    return p;
  }
  static void release(void* p, std::size_t bytes) {
    --blocks;
    sizes.erase(p);
    Host::release(p, bytes);
  }
  static std::size_t bytes() {
    std::size_t n = 0;
    for (const auto& [p, size] : sizes) n += size;
    return n;
  }
};
bool aligned(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % Host::alignment == 0; }
}  // namespace

TEST_CASE("rounded sizes hold what was asked, are whole cache lines, and waste an eighth at most") {
  for (std::size_t bytes = 1; bytes < 100000; bytes += bytes < 3000 ? 1 : 97) {
    const std::size_t r = Pool<Host>::rounded(bytes);
    REQUIRE(r >= bytes);
    REQUIRE(r % 64 == 0);
    REQUIRE(r - bytes <= (bytes / 8 > 63 ? bytes / 8 : 63));
    REQUIRE(Pool<Host>::rounded(r) == r);
  }
}

TEST_CASE("memory is aligned to 64 bytes, from the system and from a pool") {
  const auto pool = std::make_shared<Pool<Host>>();
  std::vector<Buffer<Host>> kept;
  for (std::size_t bytes : {1u, 3u, 64u, 65u, 1000u, 4097u, 100001u}) {
    kept.emplace_back(bytes);
    kept.emplace_back(bytes, pool);
  }
  for (const auto& b : kept) CHECK(aligned(b.data()));
}

TEST_CASE("no bytes: no block") {
  const int before = Counted::blocks;
  const Buffer<Counted> none, zero(0), zero_of_pool(0, std::make_shared<Pool<Counted>>());
  CHECK(none.data() == nullptr);
  CHECK(zero.data() == nullptr);
  CHECK(zero_of_pool.data() == nullptr);
  CHECK(zero.size() == 0);
  CHECK(Counted::blocks == before);
}

TEST_CASE("a pool gives a block back to whoever asks for that size next, and fetches nothing more in a steady loop") {
  const auto pool = std::make_shared<Pool<Host>>();
  void* first = nullptr;
  {
    const Buffer<Host> a(1000, pool);
    first = a.data();
  }
  const Buffer<Host> again(1000, pool);
  CHECK(again.data() == first);
  CHECK(pool->fetched() == 1);
  const auto step = [&](std::size_t jitter) {
    const Buffer<Host> a(100000 - jitter, pool), b(100000 - 2 * jitter, pool);
    const Buffer<Host> c(640, pool);
    CHECK(a.data() != b.data());
  };
  step(0);
  const std::size_t warm = pool->fetched();
  CHECK(warm == 4);
  for (std::size_t i = 0; i < 100; ++i) step(i);  // slightly other sizes share the blocks
  CHECK(pool->fetched() == warm);
}

TEST_CASE("a step that uses a large block and then small ones fetches nothing more, although they are never in use together") {
  const auto pool = std::make_shared<Pool<Host>>();
  const auto step = [&] {
    { const Buffer<Host> large(1000000, pool); }
    { const Buffer<Host> medium(500000, pool); }
    { const Buffer<Host> small(1000, pool); }
  };
  step();
  CHECK(pool->fetched() == 3);
  for (int i = 0; i < 10; ++i) step();
  CHECK(pool->fetched() == 3);
}

TEST_CASE("a block serves a smaller request if at most a third of it is wasted, and knows how large it is") {
  const auto pool = std::make_shared<Pool<Counted>>();
  const int before = Counted::blocks;
  { const Buffer<Counted> b(6400, pool); }
  for (const std::size_t bytes : {6400u, 6000u, 4400u}) {
    const Buffer<Counted> b(bytes, pool);
    CHECK(b.size() == 6400);
  }
  CHECK(pool->fetched() == 1);
  {
    const Buffer<Counted> small(3000, pool), larger(6401, pool);
    CHECK(small.size() < 6400);
    CHECK(larger.size() > 6400);
  }
  CHECK(pool->fetched() == 3);
  CHECK(Counted::blocks == before + 3);
}

TEST_CASE("what a pool holds stays within twice what was ever in use at once") {
  const auto pool = std::make_shared<Pool<Counted>>();
  const std::size_t before = Counted::bytes();
  std::size_t most = 0;
  for (std::size_t bytes = 64; bytes < 1000000; bytes = bytes * 8 / 5) {  // no block serves the next request: they would pile up
    { const Buffer<Counted> b(bytes, pool); }
    most = Pool<Counted>::rounded(bytes);
    REQUIRE(Counted::bytes() - before <= 2 * most);
  }
  CHECK(Counted::bytes() - before > most);
}

TEST_CASE("where memory runs out, free blocks make room before there is none") {
  struct Scarce : Counted {  // a thousand bytes
    static void* allocate_or_null(std::size_t bytes) { return Counted::bytes() + bytes > 1000 ? nullptr : Counted::allocate(bytes); }
    static void* allocate(std::size_t bytes) {
      void* p = allocate_or_null(bytes);
      if (!p) fail("nothing left");
      return p;
    }
  };
  const auto pool = std::make_shared<Pool<Scarce>>();
  {
    const Buffer<Scarce> a(256, pool), b(384, pool);
  }
  CHECK(Counted::bytes() == 640);  // free, and kept
  const Buffer<Scarce> large(704, pool);
  CHECK(Counted::bytes() == 704);
  CHECK_THROWS_WITH(Buffer<Scarce>(320, pool), "nothing left");
}

TEST_CASE("moving hands the block on; what was there before is released; nothing leaks or is released twice") {
  const int before = Counted::blocks;
  {
    Buffer<Counted> a(100), b(200);
    void *pa = a.data(), *pb = b.data();
    CHECK(pa != pb);
    Buffer<Counted> c(std::move(a));
    CHECK(c.data() == pa);
    CHECK(a.data() == nullptr);
    CHECK(a.size() == 0);
    b = std::move(c);
    CHECK(b.data() == pa);
    CHECK(b.size() == Pool<Counted>::rounded(100));
    CHECK(Counted::blocks == before + 1);
    auto& same = b;
    b = std::move(same);
    CHECK(b.data() == pa);
    a = Buffer<Counted>(300);
    CHECK(Counted::blocks == before + 2);
  }
  CHECK(Counted::blocks == before);
}

TEST_CASE("a pool lives as long as a buffer of it, and then releases every block") {
  const int before = Counted::blocks;
  std::weak_ptr<Pool<Counted>> watched;
  {
    Buffer<Counted> last;
    {
      auto pool = std::make_shared<Pool<Counted>>();
      watched = pool;
      const Buffer<Counted> other(5000, pool);
      last = Buffer<Counted>(1000, pool);
    }
    CHECK_FALSE(watched.expired());
    CHECK(Counted::blocks == before + 2);
    last = Buffer<Counted>(10);  // of the system, in the place of one of a pool: the pool goes
    CHECK(watched.expired());
    CHECK(Counted::blocks == before + 1);
  }
  CHECK(Counted::blocks == before);
}

TEST_CASE("a pool may be used by several threads at once") {
  const auto pool = std::make_shared<Pool<Host>>();
  const auto work = [&](unsigned char mark, int& wrong) {
    for (int i = 0; i < 5000; ++i) {
      const Buffer<Host> b(256, pool);
      auto* p = static_cast<volatile unsigned char*>(b.data());
      p[0] = mark;
      p[255] = mark;
      wrong += p[0] != mark || p[255] != mark;
    }
  };
  int wrong_a = 0, wrong_b = 0;
  std::thread other([&] { work(1, wrong_a); });
  work(2, wrong_b);
  other.join();
  CHECK(wrong_a + wrong_b == 0);
  CHECK(pool->fetched() <= 2);
}

TEST_CASE("Host clears and copies") {
  Buffer<Host> a(64), b(64);
  auto* p = static_cast<unsigned char*>(a.data());
  for (int i = 0; i < 64; ++i) p[i] = static_cast<unsigned char>(i);
  Host::clear(b.data(), 64);
  CHECK(static_cast<unsigned char*>(b.data())[63] == 0);
  Host::copy(b.data(), a.data(), 64);
  CHECK(static_cast<unsigned char*>(b.data())[63] == 63);
}

TEST_CASE("forms of a constant are made once, at the first request, for whoever asks") {
  Forms forms;
  int made = 0;
  const auto make = [&](void* to) {
    ++made;
    std::memset(to, 7, 100);
  };
  CHECK(forms.form(1) == nullptr);
  const void* a = forms.form(1, 100, make, nullptr, 0);
  CHECK(forms.form(1) == a);
  CHECK(static_cast<const unsigned char*>(a)[99] == 7);
  CHECK(forms.form(1, 100, make, nullptr, 0) == a);
  CHECK(made == 1);
  CHECK(forms.form(2, 100, make, nullptr, 0) != a);
  CHECK(made == 2);
  CHECK(forms.bytes() >= 200);
}
