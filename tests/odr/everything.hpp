#pragma once

#if __has_include("towpath/towpath.hpp")
#include "towpath/towpath.hpp"
#else
#include "towpath/base/check.hpp"
#include "towpath/base/config.hpp"
#include "towpath/base/list.hpp"
#include "towpath/base/nothing.hpp"
#include "towpath/base/random.hpp"
#include "towpath/base/text.hpp"
#include "towpath/base/threads.hpp"
#endif
