// Forward declarations of the public templates: enough to name compositions in a header without including any of them.
#pragma once

#include "towpath/base/text.hpp"

namespace towpath {

struct Settings;
struct Blueprint;
template <class Env>
class Tensor;
template <class Env>
class SharedTensor;
template <class T>
class Reference;

struct Infer;
struct Rehearse;
template <bool WantsInput>
struct Learn;

namespace shapes {
struct BertBase;
struct BertLarge;
struct MiniLM;
struct Mini;
struct Tiny;
}  // namespace shapes
using shapes::BertBase;
using shapes::BertLarge;
using shapes::MiniLM;
template <class A, class B>
struct Then;
template <Index N, class L, Index first_number>
struct Repeat;
template <class... Repeats>
struct Segments;
template <class Main, class Branch>
struct Beside;
template <class Base, class M>
struct Around;
template <class M>
struct Detached;
template <class M>
struct Checkpoint;
struct ClsPooling;
struct MeanPooling;
struct MaxPooling;
struct Embeddings;

template <class Shape, class... Methods>
struct TransformerLayer;
template <class Shape, class Stack, class... Methods>
struct Bert;

template <Index Rank, class... Options>
struct LoRA;
template <Index Rank, class... Options>
struct DoRA;
template <Index Rank, class... Options>
struct Adapter;
template <Index Length, class... Options>
struct Prefix;
template <Index first>
struct PositionsFrom;
template <Index Length>
struct Prompt;
template <class... S>
struct Ia3;
template <class... Parts>
struct Together;
template <class M>
struct Gated;
template <Index Rank, class F>
struct Aside;
template <class Module, class... S>
struct Pathway;
template <class Module, class Option>
struct Ladder;
template <class Arch>
struct Freeze;
struct FullTuning;
struct BitFit;
struct LayerNormTuning;

template <class... Methods>
struct Shared;
template <class... Methods>
struct PerSide;
template <class Encoder, class Common, class Own>
struct TowerPair;
struct Cosine;
struct Dot;
template <class Encoder, class Pooling, class Similarity>
struct BiEncoder;
template <class Encoder, class Pooling>
struct CrossEncoder;
struct MaxLogRelu;
template <class Encoder, class Activation>
struct SparseEncoder;
template <class Encoder, Index width>
struct LateInteraction;
template <class Env, class Storage>
class FlatIndex;
template <class Env>
class HnswIndex;

}  // namespace towpath
