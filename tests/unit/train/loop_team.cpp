// Several members train one model: here threads of one process, which meet at a barrier; interop/mpi.cpp has processes.
#include "../backend/emulated.hpp"
#include "together.hpp"

#include <barrier>
#include <cstring>
#include <thread>

using namespace together;

namespace {

struct Table {
  explicit Table(std::size_t members) : host(members), numbers(members), all_here(static_cast<std::ptrdiff_t>(members)) {}
  std::vector<void*> host;
  std::vector<std::span<const Numbers>> numbers;
  std::barrier<> all_here;
};

// Everybody adds up in the order of ranks.
class Seat : public Team {
public:
  Seat(Table& table, Index rank) : table_(table), rank_(rank) {}
  Index rank() const override { return rank_; }
  Index count() const override { return static_cast<Index>(table_.host.size()); }

  void sum(std::span<const Numbers> all) override {
    table_.numbers[static_cast<std::size_t>(rank_)] = all;
    table_.all_here.arrive_and_wait();
    std::vector<std::vector<double>> sums;
    for (std::size_t t = 0; t < all.size(); ++t) {
      auto& s = sums.emplace_back(static_cast<std::size_t>(all[t].count));
      for (const auto& member : table_.numbers)
        for (std::size_t i = 0; i < s.size(); ++i) s[i] += static_cast<const double*>(member[t].data)[i];
    }
    table_.all_here.arrive_and_wait();
    for (std::size_t t = 0; t < all.size(); ++t) std::memcpy(all[t].data, sums[t].data(), all[t].size());
  }
  void share(void* host, std::size_t bytes) override {
    table_.host[static_cast<std::size_t>(rank_)] = host;
    table_.all_here.arrive_and_wait();
    if (rank_ > 0) std::memcpy(host, table_.host[0], bytes);
    table_.all_here.arrive_and_wait();
  }

private:
  Table& table_;
  Index rank_;
};

// f(seat) for each of so many members, on threads of their own.
template <class F>
void seated(Index members, const F& f) {
  Table table(static_cast<std::size_t>(members));
  std::vector<std::jthread> threads;
  for (Index rank = 0; rank < members; ++rank)
    threads.emplace_back([&, rank] {
      Seat seat(table, rank);
      f(seat);
    });
}

}  // namespace

TEST_CASE("members of a team take the steps that one would who accumulates their batches") {
  const Triples data = triples();
  for (const Index members : {1, 2, 3}) {  // an epoch has four batches
    CAPTURE(members);
    seated(members, [&](Team& seat) { as_one(seat, data, "team.safetensors"); });
  }
}

TEST_CASE("members with a device each, over a team that reaches only their hosts") {
  const Triples data = triples();
  seated(2, [&](Team& seat) { as_one<compare::Emulated<double>>(seat, data, "device_team.safetensors"); });
}

TEST_CASE("a loss that is no number ends all members' runs") {
  const Triples data = triples();
  seated(2, [&](Team& seat) {
    Env env({.threads = 1});
    Model model(env);
    set(model);
    AdamW<Model> adam(model, Adam{.rate = 1e-3});
    const auto broken = [&](const Scores<Env>& s) {
      Loss<Env> l = InfoNce{}(s);
      if (seat.rank() == 1) l.value = std::nan("");
      return l;
    };
    CHECK_THROWS_WITH(train(model, env, adam, data, broken, LoopOptions{.epochs = 1, .team = &seat}, [](const TrainState&) { return 0.0; }),
                      doctest::Contains("in epoch 1, batch 1 to 2"));
  });
}
