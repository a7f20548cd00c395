variable "backend_url" {
  description = "URL of your own backend, which answers `GET /products`."
  type        = string
  nullable    = false
}

variable "clients" {
  description = "Who may call: a client id, which is a subscriber credential in Revenium, to the SHA-256 of its token in hex. No token is in the configuration."
  type        = map(string)
  nullable    = false
}

variable "revenium_api_key" {
  description = "Revenium API key. It is kept in Secrets Manager only; set it on every run, best as TF_VAR_revenium_api_key."
  type        = string
  ephemeral   = true
  sensitive   = true
}

variable "metering_url" {
  description = "Base URL of the metering API of an EU or private Revenium instance. Null is Revenium's public instance."
  type        = string
  default     = null
}

variable "name" {
  description = "Name of the API and prefix of every other name."
  type        = string
  default     = "revenium-metering-only"
  nullable    = false
}
