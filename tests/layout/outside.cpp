// outside HOST:PORT DATABASE: examples/sync_tip.c in C++17, with what a C++ caller would do: handles in
// std::unique_ptr, a lambda as callback. test_install.py builds it against what is installed.
#include <cstdio>
#include <memory>

#include <spv/spv.h>

namespace {

struct app {
    spv_evloop *loop = nullptr;
    bool synced = false;
};

template <auto fn> struct call {
    template <typename T> void operator()(T *handle) const { static_cast<void>(fn(handle)); }
};
using store_ptr = std::unique_ptr<spv_store, call<spv_store_close>>;
using loop_ptr = std::unique_ptr<spv_evloop, call<spv_evloop_free>>;

} // namespace

int main(int argc, char **argv)
{
    const spv_params *params = spv_params_get(SPV_REGTEST);
    spv_endpoint peer;
    if (argc != 3 || spv_endpoint_parse(&peer, argv[1], params->net.port) < 0)
        return 2;

    spv_error_info why;
    spv_store_config store_config{};
    store_config.path = argv[2];
    store_config.params = params;
    store_config.mode = SPV_STORE_CREATE;
    spv_store *store_handle;
    if (spv_store_open(&store_handle, &store_config, &why) < 0) {
        std::fprintf(stderr, "outside: %s\n", why.text);
        return 1;
    }
    store_ptr store(store_handle);

    app state;
    spv_evloop_config config{};
    config.node.params = params;
    config.node.connect = &peer;
    config.node.n_connect = 1;
    config.store = store.get();
    config.ctx = &state;
    config.on_event = [](void *ctx, const spv_event *event) {
        auto *self = static_cast<app *>(ctx);
        if (event->kind == SPV_EVENT_SYNCED)
            self->synced = true;
        if (event->kind == SPV_EVENT_SYNCED || event->error < 0)
            spv_evloop_stop(self->loop);
    };
    if (spv_evloop_new(&state.loop, &config, &why) < 0) {
        std::fprintf(stderr, "outside: %s\n", why.text);
        return 1;
    }
    loop_ptr loop(state.loop);

    spv_chain_header tip;
    if (spv_evloop_run(loop.get()) < 0 || spv_store_tip(store.get(), &tip) != 1)
        return 1;
    char hash[SPV_HASH_HEX];
    spv_blockhash_hex(hash, &tip.hash);
    std::printf("%u %s\n", static_cast<unsigned>(tip.height), hash);
    return state.synced ? 0 : 1;
}
