// expects: check_gradients: nothing in this model trains, so there is no gradient to check
#include "towpath/autodiff/check.hpp"
#include "towpath/model/bert.hpp"

using namespace towpath;
double worst() { return check_gradients<Bert<MiniLM, Repeat<6, TransformerLayer<MiniLM>>>>(1).worst; }
