// Text of harness/data_checksums.txt (sha256sum's format), compiled in by CMake.
#pragma once

namespace assay {

extern const char* const kDataChecksums;

}  // namespace assay
