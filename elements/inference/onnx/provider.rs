//! The engines inside ONNX Runtime, which it calls execution providers.

use std::path::Path;

use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Provider {
    Cpu,
    OpenVino,
    Cuda,
    TensorRt,
}

/// The type that an engine computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) enum Precision {
    /// As the model file says.
    #[default]
    Auto,
    F32,
    Bf16,
    F16,
}

impl Precision {
    pub(in super::super) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }
}

/// An engine and how it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Choice {
    pub(in super::super) provider: Provider,
    pub(in super::super) precision: Precision,
    /// Threads of one run, 0 for one a core.
    pub(in super::super) threads: u32,
}

const ALL: [Provider; 4] = [Provider::Cpu, Provider::OpenVino, Provider::Cuda, Provider::TensorRt];

impl Provider {
    /// The name in properties.
    const fn nick(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::OpenVino => "openvino",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
        }
    }

    /// ONNX Runtime's own name.
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPUExecutionProvider",
            Self::OpenVino => "OpenVINOExecutionProvider",
            Self::Cuda => "CUDAExecutionProvider",
            Self::TensorRt => "TensorrtExecutionProvider",
        }
    }

    /// The library that has to lie beside ONNX Runtime's own.
    const fn library(self) -> Option<&'static str> {
        match self {
            Self::OpenVino => Some("libonnxruntime_providers_openvino.so"),
            Self::Cpu | Self::Cuda | Self::TensorRt => None,
        }
    }

    fn built_in(self) -> bool {
        match self {
            Self::Cpu => true,
            Self::OpenVino => ep::OpenVINO::is_available().unwrap_or(false),
            Self::Cuda | Self::TensorRt => false,
        }
    }

    /// Whether this ONNX Runtime, which lies at `runtime`, can run models with it on this machine.
    ///
    /// # Errors
    /// What is missing, and what to do.
    pub(in super::super) fn usable(self, precision: Precision, runtime: &Path) -> Result<(), String> {
        if matches!(self, Self::Cuda | Self::TensorRt) {
            return Err(format!("{} is not supported yet; use openvino or cpu", self.nick()));
        }
        if !self.built_in() {
            let how = match self {
                Self::OpenVino => {
                    "take the library of the Python wheel 'onnxruntime-openvino' (make deps PROVIDER=openvino)"
                }
                _ => "take an ONNX Runtime that was built with it",
            };
            return Err(format!(
                "ONNX Runtime {} was built without {}: {how}",
                runtime.display(),
                self.name()
            ));
        }
        if let (Some(library), Some(folder)) = (self.library(), runtime.parent())
            && !folder.as_os_str().is_empty()
        {
            let beside = folder.join(library);
            if !beside.is_file() {
                return Err(format!("{} needs {}, which is not there", self.name(), beside.display()));
            }
        }
        self.computes_in(precision)
    }

    fn computes_in(self, precision: Precision) -> Result<(), String> {
        match (self, precision) {
            (_, Precision::Auto | Precision::F32) => Ok(()),
            (Self::OpenVino, Precision::Bf16) if bf16_cpu() => Ok(()),
            (Self::OpenVino, Precision::Bf16) => {
                Err("OpenVINO computes in bf16 only on CPUs with AVX-512, which this one has not; \
                     use precision=f32"
                    .to_owned())
            }
            _ => Err(format!(
                "{} does not compute in {} here; use precision=f32",
                self.name(),
                precision.as_str()
            )),
        }
    }
}

/// The extensions without which OpenVINO's CPU plugin quietly computes in f32.
#[cfg(target_arch = "x86_64")]
fn bf16_cpu() -> bool {
    std::is_x86_feature_detected!("avx512f")
        && std::is_x86_feature_detected!("avx512bw")
        && std::is_x86_feature_detected!("avx512dq")
        && std::is_x86_feature_detected!("avx512vl")
}

#[cfg(not(target_arch = "x86_64"))]
fn bf16_cpu() -> bool {
    false
}

impl Choice {
    /// What a session has to be told; `None` for the engine that ONNX Runtime always has.
    pub(super) fn dispatch(self) -> Option<ExecutionProviderDispatch> {
        match self.provider {
            Provider::OpenVino => {
                // Without the precision OpenVINO takes what the CPU does fastest, which changes results. Pinned, the
                // threads of several workers would all sit on the first cores.
                let precision = if self.precision == Precision::Bf16 { "bf16" } else { "f32" };
                let threads = if self.threads > 0 {
                    format!(", \"INFERENCE_NUM_THREADS\": \"{}\"", self.threads)
                } else {
                    String::new()
                };
                let config = format!(
                    "{{\"CPU\": {{\"INFERENCE_PRECISION_HINT\": \"{precision}\", \"NUM_STREAMS\": \"1\", \"ENABLE_CPU_PINNING\": \"NO\"{threads}}}}}"
                );
                let openvino = ep::OpenVINO::default().with_device_type("CPU");
                let openvino = ep::ArbitrarilyConfigurableExecutionProvider::with_arbitrary_config(
                    openvino,
                    "load_config",
                    config,
                );
                Some(openvino.build().error_on_failure())
            }
            Provider::Cpu | Provider::Cuda | Provider::TensorRt => None,
        }
    }

    /// What is told of it: ONNX Runtime's name, and the precision where it is not that of the model.
    pub(in super::super) fn describe(self) -> String {
        match self.precision {
            Precision::Bf16 | Precision::F16 => {
                format!("{} ({})", self.provider.name(), self.precision.as_str())
            }
            Precision::Auto | Precision::F32 => self.provider.name().to_owned(),
        }
    }
}

/// The engines that a list such as `openvino,cpu` names, in its order; `auto` is the CPU's.
///
/// # Errors
/// The name that is none, and the names that are.
pub(in super::super) fn wanted(list: &str) -> Result<Vec<Provider>, String> {
    let mut providers = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let found =
            if name == "auto" { Some(Provider::Cpu) } else { ALL.into_iter().find(|p| p.nick() == name) };
        let known = || ALL.map(Provider::nick).join(", ");
        let provider =
            found.ok_or_else(|| format!("there is no provider \"{name}\" (known: auto, {})", known()))?;
        if !providers.contains(&provider) {
            providers.push(provider);
        }
    }
    if providers.is_empty() {
        providers.push(Provider::Cpu);
    }
    Ok(providers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_providers() {
        assert_eq!(wanted("openvino, cpu,openvino"), Ok(vec![Provider::OpenVino, Provider::Cpu]));
        assert_eq!(wanted(""), Ok(vec![Provider::Cpu]));
        assert_eq!(wanted("auto"), Ok(vec![Provider::Cpu]));
        let error = wanted("cpu,openvno").unwrap_err();
        assert!(error.contains("\"openvno\"") && error.contains("openvino"), "{error}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let cuda = Provider::Cuda.usable(Precision::Auto, Path::new("/x/libonnxruntime.so")).unwrap_err();
        assert!(cuda.contains("cuda is not supported yet"), "{cuda}");
        let half = Provider::Cpu.usable(Precision::F16, Path::new("/x/libonnxruntime.so")).unwrap_err();
        assert!(half.contains("f16") && half.contains("precision=f32"), "{half}");
    }
}
