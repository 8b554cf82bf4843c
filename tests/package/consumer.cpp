// What a user's program might begin with; built by the project in each of the folders beside this file.
#if defined(TOWPATH_SINGLE_HEADER)
#include <towpath.hpp>
#elif __has_include(<towpath/towpath.hpp>)
#include <towpath/towpath.hpp>
#else
#include <towpath/base/config.hpp>
#include <towpath/base/text.hpp>
#endif

#include <cstdio>

int main() {
  const towpath::Path name = towpath::Path("encoder.layer") / towpath::Index{3} / "weight";
  std::printf("towpath %d.%d.%d names it %.*s\n", TOWPATH_VERSION_MAJOR, TOWPATH_VERSION_MINOR, TOWPATH_VERSION_PATCH,
              static_cast<int>(name.view().size()), name.view().data());
  return name.view() == "encoder.layer.3.weight" ? 0 : 1;
}
