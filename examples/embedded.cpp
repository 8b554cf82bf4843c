#include "embedded.hpp"

#include "world.hpp"

#include <towpath/io/config.hpp>
#include <towpath/train/checkpoint.hpp>

#include <cstdlib>
#include <unistd.h>

using namespace towpath;

// The backbone that 00_world made, as a part of this program.
__asm__(
    ".section .rodata\n.balign 64\n.global towpath_world_begin\n.global towpath_world_end\n"
    "towpath_world_begin:\n.incbin \"" TOWPATH_WORLD "/model.safetensors\"\ntowpath_world_end:\n.previous\n");
extern "C" const char towpath_world_begin[], towpath_world_end[];

std::string program::embedded_world_folder() {
  const char* temporary = std::getenv("TMPDIR");
  return std::string(temporary && *temporary ? temporary : "/tmp") + "/towpath-world-" + std::to_string(::getuid());
}
std::string program::embedded_world() {
  const std::string folder = embedded_world_folder();
  make_folder(folder + "/qrels");
  const world::Generator generator;
  world::write_collection(folder, generator.collection());
  const auto put = [&](const char* name, std::string_view bytes) {
    NewFile file(folder + "/" + name);
    file.write(bytes);
    file.commit();
  };
  put("vocab.txt", generator.vocabulary());
  put("model.safetensors", {towpath_world_begin, static_cast<std::size_t>(towpath_world_end - towpath_world_begin)});
  write_config(folder + "/config.json", config_of<world::World>());
  return folder;
}
